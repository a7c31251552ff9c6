use super::*;
use Failure::NotHeeded;
use types::OfferForm;

const AT: Timestamp = Timestamp(1_800_000_000_000_000);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn kind(class: &str) -> FirmwareKind {
    FirmwareKind::Model {
        oui: [2, 0, 0],
        vendor_class: class.into(),
    }
}

fn means(firmware: Firmware) -> Means {
    Means {
        firmware,
        is_proxy: false,
        chosen_loader: None,
    }
}

fn usual(_: &FirmwareKind) -> Quirks {
    Quirks::default()
}

fn begin(trials: &mut Trials, firmware: Firmware, known: Quirks, at: Timestamp) -> Quirks {
    trials.begin(MAC, kind("PXEClient"), means(firmware), known, at)
}

#[test]
fn two_offers_without_a_request_bring_the_next_form() {
    let mut trials = Trials::default();
    let mut forms = Vec::new();
    for n in 0..7 {
        let at = AT.plus_seconds(4 * n);
        if trials.asks_again(MAC, Firmware::BiosPxe, at) {
            trials.failed(MAC, NotHeeded, usual);
        }
        let way = begin(&mut trials, Firmware::BiosPxe, Quirks::default(), at);
        trials.discovered(MAC, at);
        forms.push(way.form);
    }
    let (plain, ask) = (Some(OfferForm::Plain), Some(OfferForm::AskBootServer));
    assert_eq!(forms, [None, None, plain, plain, ask, ask, None]);
}

#[test]
fn a_request_ends_the_count_and_copies_do_not_count() {
    let mut trials = Trials::default();
    let discover = |trials: &mut Trials, after: i64| {
        let at = AT.plus_seconds(after);
        let again = trials.asks_again(MAC, Firmware::UefiPxe, at);
        trials.discovered(MAC, at);
        again
    };
    begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT);
    for after in [0, 1, 4] {
        assert!(!discover(&mut trials, after), "{after}");
    }
    assert!(
        !trials.asks_again(MAC, Firmware::UefiPxe, AT.plus_seconds(5)),
        "a copy"
    );
    trials.heeded(MAC);
    assert!(!discover(&mut trials, 60));
    assert!(!discover(&mut trials, 64));
    assert!(discover(&mut trials, 72));
}

#[test]
fn a_way_that_was_not_given_out_cannot_fail() {
    let mut trials = Trials::default();
    begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT);
    let next = trials.failed(MAC, Failure::BrokeOff, usual);
    assert_eq!(next.and_then(|q| q.block_size), Some(1024));
    assert_eq!(trials.failed(MAC, Failure::BrokeOff, usual), None);
    assert_eq!(trials.given(MAC), Some(Quirks::default()), "what stopped");
    let way = begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT);
    assert_eq!(way.block_size, Some(1024));
    assert_eq!(trials.given(MAC), Some(way));
}

#[test]
fn the_ipxe_that_its_firmware_brought_goes_on_with_the_same_boot() {
    let mut trials = Trials::default();
    begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT);
    assert!(trials.is_chained(MAC, Firmware::Ipxe, AT.plus_seconds(20)));
    assert!(!trials.is_chained(MAC, Firmware::Ipxe, AT.plus_seconds(200)));
    assert!(!trials.is_chained(MAC, Firmware::UefiPxe, AT));
    begin(
        &mut trials,
        Firmware::Ipxe,
        Quirks::default(),
        AT.plus_seconds(300),
    );
    assert!(
        !trials.is_chained(MAC, Firmware::Ipxe, AT.plus_seconds(301)),
        "a ROM"
    );
}

#[test]
fn a_computer_without_a_way_of_its_own_goes_the_way_that_is_known() {
    let mut trials = Trials::default();
    let known = Quirks {
        block_size: Some(512),
        ..Quirks::default()
    };
    assert_eq!(
        begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT),
        Quirks::default()
    );
    assert_eq!(begin(&mut trials, Firmware::UefiPxe, known, AT), known);
    assert_eq!(trials.current(MAC, |_| known), known);
    assert_eq!(
        trials.current(MacAddr([2, 0, 0, 0, 0, 2]), |_| known),
        Quirks::default()
    );
}

#[test]
fn a_flood_of_addresses_forgets_the_silent_ones() {
    let mut trials = Trials::default();
    for n in 0..(MAX as u32 + 10) {
        let [a, b, c, d] = n.to_be_bytes();
        let mac = MacAddr([2, 0, a, b, c, d]);
        let at = Timestamp(AT.0 + i64::from(n));
        trials.begin(
            mac,
            kind("PXEClient"),
            means(Firmware::BiosPxe),
            Quirks::default(),
            at,
        );
    }
    assert_eq!(trials.all.len(), MAX);
    assert!(trials.kind(MacAddr([2, 0, 0, 0, 0, 0])).is_none());
}

#[test]
fn pxe_and_http_boot_of_one_card_have_ways_of_their_own() {
    let mut trials = Trials::default();
    let http = |trials: &mut Trials, at| {
        let kind = kind("HTTPClient");
        trials.begin(MAC, kind, means(Firmware::UefiHttp), Quirks::default(), at)
    };
    begin(&mut trials, Firmware::UefiPxe, Quirks::default(), AT);
    trials.failed(MAC, Failure::BrokeOff, usual);
    assert!(http(&mut trials, AT.plus_seconds(30)).is_usual());
    trials.failed(MAC, Failure::BrokeOff, usual);
    let pxe = begin(
        &mut trials,
        Firmware::UefiPxe,
        Quirks::default(),
        AT.plus_seconds(60),
    );
    assert_eq!(pxe.block_size, Some(1024));
    let http = http(&mut trials, AT.plus_seconds(90));
    assert_eq!((http.block_size, http.pace), (None, Some(8192)));
    trials.forget(|_, of| *of == kind("HTTPClient"));
    assert!(trials.current(MAC, usual).is_usual());
    let pxe = begin(
        &mut trials,
        Firmware::UefiPxe,
        Quirks::default(),
        AT.plus_seconds(120),
    );
    assert_eq!(pxe.block_size, Some(1024), "only the other was forgotten");
}
