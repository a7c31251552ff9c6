//! Boots as daemons see them, and what the rail says.

use super::{Firmware, Signal, causes, timeline::Timeline};
use crate::export::Via;
use std::net::Ipv4Addr;
use types::{BootState, Hop, HopState, MacAddr, ReadyFacts, Timestamp};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
const IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const ROM: Via = Via::Iscsi {
    isid: [0x80, 1, 2, 3, 4, 5],
};
const OS: Via = Via::Iscsi {
    isid: [0, 2, 0x3d, 0, 0, 0],
};

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_700_000_000_000_000).plus_seconds(seconds)
}

/// The rail as one letter a hop: `.` pending, `>` now, `#` done, `-` skipped, `x` failed.
fn rail(t: &Timeline) -> String {
    let letter = |s| match s {
        HopState::Pending => '.',
        HopState::Now => '>',
        HopState::Done => '#',
        HopState::Skipped => '-',
        HopState::Failed => 'x',
    };
    t.view.hops.iter().map(|h| letter(h.state)).collect()
}

fn discover(firmware: Firmware) -> Signal {
    Signal::Discover { firmware }
}
fn ack(firmware: Firmware) -> Signal {
    Signal::Ack {
        address: IP,
        firmware,
    }
}
fn asked() -> Signal {
    Signal::LoaderAsked {
        file: "undionly.kpxe".into(),
    }
}
fn fetched() -> Signal {
    Signal::LoaderDone {
        file: "undionly.kpxe".into(),
        bytes: 70_000,
    }
}
fn ready() -> Signal {
    Signal::Ready {
        facts: Box::new(ReadyFacts::default()),
    }
}

/// Plays signals a second apart and tells the rail after each.
fn play(signals: Vec<Signal>) -> (Timeline, Vec<String>) {
    let mut t = Timeline::begin(MAC, None, at(0));
    let mut rails = Vec::new();
    for (i, s) in signals.into_iter().enumerate() {
        assert!(
            i == 0 || !t.is_over_for(at(i as i64), &s),
            "{s:?} began another boot"
        );
        t.apply(at(i as i64), s);
        rails.push(rail(&t));
    }
    (t, rails)
}

#[test]
fn a_rom_that_is_ipxe_skips_the_loader() {
    let (t, rails) = play(vec![
        discover(Firmware::Ipxe),
        Signal::Offer { address: IP },
        ack(Firmware::Ipxe),
        Signal::Script,
        Signal::DiskLogin { via: ROM },
        Signal::DiskRead { via: ROM },
        Signal::DiskLogin { via: OS },
        Signal::DiskRead { via: OS },
        ack(Firmware::Other),
        ready(),
    ]);
    assert_eq!(
        rails,
        [
            "#>.....", "#>.....", "##.....", "##-#>..", "##-#>..", "##-#>..", "##-##>.", "##-###>",
            "##-###>", "##-####"
        ]
    );
    assert_eq!(t.view.state, BootState::Ready);
    assert_eq!(t.view.address, Some(IP));
    let times = |hop: Hop| {
        (
            t.view.hops[hop as usize].started_at,
            t.view.hops[hop as usize].finished_at,
        )
    };
    assert_eq!(times(Hop::Dhcp), (Some(at(0)), Some(at(2))));
    // Until the script is asked for, the machine is on its way to iPXE: no second is in no hop.
    assert_eq!(times(Hop::Ipxe), (Some(at(2)), Some(at(3))));
    assert_eq!(times(Hop::Disk), (Some(at(3)), Some(at(6))));
    assert_eq!(times(Hop::Login), (Some(at(7)), Some(at(9))));
    assert_eq!(times(Hop::Loader), (None, None));
}

#[test]
fn a_plain_rom_goes_through_the_loader_within_one_boot() {
    let (t, rails) = play(vec![
        discover(Firmware::BiosPxe),
        ack(Firmware::BiosPxe),
        asked(),
        fetched(),
        discover(Firmware::Ipxe),
        ack(Firmware::Ipxe),
        Signal::Script,
        Signal::DiskLogin { via: ROM },
        Signal::DiskLogin { via: OS },
        ready(),
    ]);
    assert_eq!(rails[2..5], ["##>....", "###....", "###...."]);
    assert_eq!(rails.last().map(String::as_str), Some("#######"));
    assert_eq!(t.view.notes.first().map(|n| n.at), Some(at(0)));
}

#[test]
fn a_boot_stops_where_it_is_held() {
    for (signals, hop, code) in [
        (vec![discover(Firmware::Ipxe)], Hop::Dhcp, "no_request"),
        (
            vec![discover(Firmware::BiosPxe), ack(Firmware::BiosPxe), asked()],
            Hop::Loader,
            "loader_stalled",
        ),
        (
            vec![discover(Firmware::Ipxe), ack(Firmware::Ipxe)],
            Hop::Ipxe,
            "no_script",
        ),
        (
            vec![
                discover(Firmware::Ipxe),
                ack(Firmware::Ipxe),
                Signal::Script,
            ],
            Hop::Disk,
            "disk_stalled",
        ),
        (
            vec![
                Signal::Script,
                Signal::DiskLogin { via: ROM },
                Signal::DiskLogin { via: OS },
            ],
            Hop::Kernel,
            "kernel_stalled",
        ),
        (
            vec![
                Signal::Script,
                Signal::DiskLogin { via: ROM },
                Signal::DiskLogin { via: OS },
                Signal::DiskRead { via: OS },
            ],
            Hop::Login,
            "no_report",
        ),
    ] {
        let seen = signals.len() as i64;
        let (mut t, _) = play(signals);
        assert!(!t.check_stalled(at(seen + 5)), "{hop:?}: too early");
        assert!(t.check_stalled(at(seen + 200)), "{hop:?}");
        assert!(!t.check_stalled(at(seen + 400)), "{hop:?}: stopped twice");
        assert_eq!(t.view.state, BootState::Stopped);
        assert_eq!(
            t.view.hops[hop as usize].state,
            HopState::Failed,
            "{hop:?}: {}",
            rail(&t)
        );
        assert_eq!(t.view.cause.as_ref().map(|c| c.code.as_str()), Some(code));
    }
}

#[test]
fn without_a_disk_the_rail_stops_at_disk_and_goes_on_once_there_is_one() {
    let refused = || Signal::Refused {
        hop: Hop::Disk,
        cause: causes::no_image("pc-01"),
    };
    let (mut t, rails) = play(vec![
        discover(Firmware::Ipxe),
        ack(Firmware::Ipxe),
        refused(),
    ]);
    assert_eq!(rails.last().map(String::as_str), Some("##-#x.."));
    let notes = t.view.notes.len();
    t.apply(at(20), refused());
    assert_eq!(t.view.notes.len(), notes, "the same refusal is told once");
    t.apply(at(30), Signal::Script);
    assert_eq!(
        (rail(&t).as_str(), t.view.state),
        ("##-#>..", BootState::Booting)
    );
    assert_eq!(t.view.cause, None);
}

#[test]
fn an_unknown_computer_stops_at_ipxe() {
    let refused = Signal::Refused {
        hop: Hop::Ipxe,
        cause: causes::not_adopted(MAC),
    };
    let (t, rails) = play(vec![discover(Firmware::Ipxe), ack(Firmware::Ipxe), refused]);
    assert_eq!(rails.last().map(String::as_str), Some("##-x..."));
    assert_eq!(t.view.cause.map(|c| c.code).as_deref(), Some("not_adopted"));
}

#[test]
fn what_begins_another_boot_and_what_does_not() {
    let (booting, _) = play(vec![
        discover(Firmware::Ipxe),
        ack(Firmware::Ipxe),
        Signal::Script,
    ]);
    let (done, _) = play(vec![
        discover(Firmware::Ipxe),
        Signal::Script,
        Signal::DiskLogin { via: ROM },
        ready(),
    ]);
    let (early, _) = play(vec![discover(Firmware::BiosPxe)]);
    let (loading, _) = play(vec![
        discover(Firmware::BiosPxe),
        ack(Firmware::BiosPxe),
        asked(),
        fetched(),
    ]);
    for (name, t, firmware, after, over) in [
        (
            "an operating system renews",
            &done,
            Firmware::Other,
            100,
            false,
        ),
        (
            "a running computer restarts",
            &done,
            Firmware::Ipxe,
            100,
            true,
        ),
        (
            "a computer is reset at its disk",
            &booting,
            Firmware::Ipxe,
            10,
            true,
        ),
        ("a ROM asks again", &early, Firmware::BiosPxe, 8, false),
        (
            "a ROM asks after a pause",
            &early,
            Firmware::BiosPxe,
            300,
            true,
        ),
        (
            "iPXE follows its loader",
            &loading,
            Firmware::Ipxe,
            6,
            false,
        ),
        ("a ROM starts over", &loading, Firmware::BiosPxe, 10, true),
    ] {
        assert_eq!(
            t.is_over_for(at(after), &discover(firmware)),
            over,
            "{name}"
        );
    }
    assert!(!Timeline::begins_with(&discover(Firmware::Other)));
    assert!(!Timeline::begins_with(&Signal::DiskLogin { via: OS }));
}

#[test]
fn a_guest_that_comes_back_to_its_disk_is_not_a_new_boot() {
    let (mut t, _) = play(vec![
        discover(Firmware::Ipxe),
        Signal::Script,
        Signal::DiskLogin { via: ROM },
        Signal::DiskLogin { via: OS },
        ready(),
    ]);
    assert!(t.apply(at(60), Signal::DiskLogin { via: OS }));
    assert_eq!(
        (rail(&t).as_str(), t.view.state),
        ("##-####", BootState::Ready)
    );
    assert!(!t.apply(at(61), Signal::DiskRead { via: OS }));
}

#[test]
fn what_goes_on_elsewhere_is_handed_over_and_comes_back_with_a_disk_of_ours() {
    let to = || Signal::HandedOver {
        to: "the disk in the computer".into(),
    };
    let begin = vec![discover(Firmware::Ipxe), ack(Firmware::Ipxe), to()];
    let (t, rails) = play(begin.clone());
    assert_eq!(rails.last().map(String::as_str), Some("##-#---"));
    assert_eq!(t.view.state, BootState::HandedOver);
    assert!(!t.clone().check_stalled(at(10_000)), "silence is right");
    assert!(t.is_over_for(at(60), &discover(Firmware::Ipxe)));
    // Its loader fetching more is no sign of a disk of ours; a login is.
    let (t, _) = play([begin.clone(), vec![asked(), fetched()]].concat());
    assert_eq!(t.view.state, BootState::HandedOver);
    let login = vec![Signal::DiskLogin { via: ROM }];
    let (t, _) = play([begin, login].concat());
    assert_eq!(t.view.state, BootState::Booting);
}

#[test]
fn a_session_by_nbd_is_the_operating_systems_and_its_other_connections_say_nothing_new() {
    let (login, read) = (
        || Signal::DiskLogin { via: Via::Nbd },
        || Signal::DiskRead { via: Via::Nbd },
    );
    let begin = vec![
        discover(Firmware::Ipxe),
        ack(Firmware::Ipxe),
        Signal::Script,
    ];
    let (mut t, rails) = play([begin, vec![login(), login(), read(), login(), read()]].concat());
    let rails: Vec<&str> = rails.iter().map(String::as_str).skip(3).collect();
    assert_eq!(
        rails,
        ["##-##>.", "##-##>.", "##-###>", "##-###>", "##-###>"]
    );
    let told = |words: &str| {
        t.view
            .notes
            .iter()
            .filter(|n| n.text.contains(words))
            .count()
    };
    assert_eq!(
        (told("opened its disk by NBD"), told("read its disk")),
        (1, 1)
    );
    assert_eq!(told("firmware"), 0);
    assert!(t.check_stalled(at(600)));
    assert!(
        t.apply(at(700), login()),
        "what goes on after it stopped is told"
    );
    assert_eq!(t.view.state, BootState::Booting);
}

/// The cause that a boot has after a long silence.
fn cause_of(signals: Vec<Signal>) -> String {
    let (mut t, _) = play(signals);
    if t.view.state == BootState::Booting {
        assert!(t.check_stalled(at(600)), "{}", rail(&t));
    }
    t.view.cause.expect("a stopped boot has a cause").code
}

fn took(firmware: Firmware) -> Signal {
    Signal::TookOther {
        server: Ipv4Addr::new(10, 77, 0, 254),
        address: IP,
        firmware,
    }
}

#[test]
fn beside_another_server_the_boot_goes_on_with_its_address() {
    let (t, rails) = play(vec![
        discover(Firmware::UefiPxe),
        Signal::ProxyOffer,
        took(Firmware::UefiPxe),
        Signal::BootServer {
            file: "snponly.efi".into(),
        },
        asked(),
        fetched(),
        discover(Firmware::Ipxe),
        Signal::ProxyOffer,
        took(Firmware::Ipxe),
        Signal::Script,
    ]);
    assert_eq!(
        rails,
        [
            "#>.....", "#>.....", "##.....", "##.....", "##>....", "###....", "###....", "###....",
            "###....", "####>.."
        ]
    );
    assert_eq!(t.view.address, Some(IP));
}

#[test]
fn a_silence_names_who_is_to_blame() {
    let uefi = || discover(Firmware::UefiPxe);
    for (signals, code) in [
        (vec![uefi(), Signal::Offer { address: IP }], "no_request"),
        (vec![uefi(), Signal::ProxyOffer], "no_dhcp_server"),
        (
            vec![uefi(), Signal::ProxyOffer, took(Firmware::UefiPxe)],
            "proxy_ignored",
        ),
        (
            vec![
                uefi(),
                Signal::Offer { address: IP },
                took(Firmware::UefiPxe),
            ],
            "other_dhcp_server",
        ),
        (
            vec![uefi(), Signal::ProxyOffer, took(Firmware::UefiPxe), asked()],
            "loader_stalled",
        ),
    ] {
        assert_eq!(cause_of(signals), code);
    }
}

#[test]
fn a_machine_without_a_loader_has_its_address_and_the_reason() {
    let no_loader = || Signal::NoLoader {
        cause: causes::no_loader(Some(11)),
    };
    let signals = vec![
        discover(Firmware::UefiPxe),
        no_loader(),
        Signal::Offer { address: IP },
        no_loader(),
        ack(Firmware::UefiPxe),
    ];
    let (t, rails) = play(signals);
    assert_eq!(rails.last().map(String::as_str), Some("##x...."));
    let cause = t.view.cause.expect("at once");
    assert!(cause.title.contains("64-bit ARM"), "{cause:?}");
    assert_eq!(
        cause_of(vec![discover(Firmware::UefiPxe), no_loader()]),
        "no_loader"
    );
}

#[test]
fn files_that_come_after_the_loader_are_told_of_and_change_nothing() {
    let (t, rails) = play(vec![
        discover(Firmware::Ipxe),
        ack(Firmware::Ipxe),
        Signal::Script,
        asked(),
        fetched(),
    ]);
    assert_eq!(rails[2..], ["##-#>..", "##-#>..", "##-#>.."]);
    let last = t.view.notes.last().expect("a note");
    assert_eq!(
        (last.hop, last.text.as_str()),
        (Hop::Disk, "undionly.kpxe fetched, 70000 bytes")
    );
}
