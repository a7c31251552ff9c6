use super::*;
use Failure::{BrokeOff, FetchBrokeOff, NotHeeded, NotStarted};

const USUAL: Quirks = Quirks {
    form: None,
    loader: None,
    block_size: None,
    delay_ms: None,
    pace: None,
};

fn means(firmware: Firmware, is_proxy: bool) -> Means {
    Means {
        firmware,
        is_proxy,
        chosen_loader: None,
    }
}

/// All ways from the usual one back to it.
fn walk(failure: Failure, means: Means) -> Vec<String> {
    let (mut way, mut ways) = (USUAL, Vec::new());
    loop {
        way = next(way, failure, means);
        ways.push(way.to_string());
        if way.is_usual() {
            return ways;
        }
        assert!(
            ways.len() < 12,
            "it goes round without the usual way: {ways:?}"
        );
    }
}

#[test]
fn an_answer_that_is_not_heeded_comes_in_each_other_form_and_then_later() {
    let late = "OFFER held back for 1000 ms";
    let table: [(Firmware, bool, &[&str]); 6] = [
        (
            Firmware::BiosPxe,
            false,
            &["form plain", "form ask_boot_server", late],
        ),
        (Firmware::BiosPxe, true, &["form ask_boot_server", late]),
        (
            Firmware::UefiPxe,
            false,
            &["form load_now", "form ask_boot_server", late],
        ),
        (Firmware::UefiPxe, true, &["form load_now", late]),
        (Firmware::UefiHttp, false, &[late]),
        (
            Firmware::Ipxe,
            false,
            &[
                "loader snponly",
                "loader snponly, OFFER held back for 1000 ms",
            ],
        ),
    ];
    for (firmware, is_proxy, ways) in table {
        let walked = walk(NotHeeded, means(firmware, is_proxy));
        let wanted = [ways, &["the usual way"]].concat();
        assert_eq!(walked, wanted, "{firmware:?} {is_proxy}");
    }
}

#[test]
fn a_file_that_breaks_off_comes_in_smaller_blocks_and_then_slower() {
    let blocks = "TFTP blocks of 512 bytes";
    assert_eq!(
        walk(BrokeOff, means(Firmware::UefiPxe, true)),
        [
            "TFTP blocks of 1024 bytes".to_string(),
            blocks.into(),
            format!("{blocks}, files at 8192 KiB/s"),
            "the usual way".into(),
        ]
    );
    assert_eq!(
        walk(BrokeOff, means(Firmware::BiosPxe, false)),
        ["TFTP blocks of 1024 bytes", blocks, "the usual way"]
    );
    assert_eq!(
        walk(FetchBrokeOff, means(Firmware::BiosPxe, false)),
        [
            "files at 8192 KiB/s",
            "files at 1024 KiB/s",
            "the usual way"
        ]
    );
    assert_eq!(
        walk(BrokeOff, means(Firmware::UefiHttp, false)),
        [
            "files at 8192 KiB/s",
            "files at 1024 KiB/s",
            "the usual way"
        ]
    );
}

#[test]
fn a_loader_that_does_not_start_is_changed_for_the_other_unless_one_was_chosen() {
    let pxe = means(Firmware::BiosPxe, false);
    assert_eq!(walk(NotStarted, pxe), ["loader ipxe", "the usual way"]);
    assert_eq!(
        walk(NotStarted, means(Firmware::Ipxe, false)),
        ["loader snponly", "loader ipxe", "the usual way"]
    );
    let chosen = Means {
        chosen_loader: Some(LoaderKind::Snponly),
        ..pxe
    };
    assert_eq!(walk(NotStarted, chosen), ["the usual way"]);
}

#[test]
fn one_failure_after_another_keeps_what_helped_before() {
    let pxe = means(Firmware::UefiPxe, false);
    let answered = next(USUAL, NotHeeded, pxe);
    let both = next(answered, BrokeOff, pxe);
    assert_eq!(both.to_string(), "form load_now, TFTP blocks of 1024 bytes");
    let all = next(both, NotStarted, pxe);
    assert_eq!(
        all.to_string(),
        "form load_now, loader ipxe, TFTP blocks of 1024 bytes"
    );
}

#[test]
fn the_end_of_one_column_leaves_the_others() {
    let pxe = means(Firmware::UefiPxe, false);
    let helped = Quirks {
        form: Some(OfferForm::LoadNow),
        loader: Some(LoaderKind::Ipxe),
        block_size: Some(512),
        ..USUAL
    };
    let after = next(helped, NotStarted, pxe);
    assert_eq!(
        after.to_string(),
        "form load_now, TFTP blocks of 512 bytes",
        "only the loader begins anew"
    );
    let chosen = Means {
        chosen_loader: Some(LoaderKind::Snponly),
        ..pxe
    };
    let after = next(
        Quirks {
            loader: None,
            ..helped
        },
        NotStarted,
        chosen,
    );
    assert_eq!(after.block_size, Some(512));
}
