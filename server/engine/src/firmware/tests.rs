//! The registry with its store: what is tried, learned, pinned and forgotten.

use crate::{
    Engine, EngineConfig, Error,
    boot::{BootFile, Features, Firmware, Form, Machine, Plane, Signal, Who},
};
use std::{net::Ipv4Addr, time::Duration};
use types::{
    CreateClientParams, CreateFirmwareParams, DhcpMode, FirmwareView, Hop, MacAddr, PinParams,
    Quirks, Timestamp,
};

const CLASS: &str = "PXEClient:Arch:00007:UNDI:003016";

fn open(dir: &tempfile::TempDir) -> Engine {
    let config = EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    };
    Engine::open(config).expect("it opens")
}

fn mac(n: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, n])
}

fn machine(n: u8, is_discover: bool) -> Machine {
    Machine {
        mac: mac(n),
        firmware: Firmware::UefiPxe,
        arch: Some(7),
        uuid: None,
        ipxe: Features::default(),
        vendor_class: CLASS.into(),
        is_discover,
    }
}

fn plane(mode: DhcpMode) -> Plane {
    Plane::at(Ipv4Addr::new(10, 77, 0, 1), mode)
}

/// A folder with a loader for it, so that there is something to load.
fn stage() -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let set = dir.path().join("loaders");
    std::fs::create_dir_all(&set).expect("made");
    for name in ["snponly.efi", "ipxe.efi"] {
        std::fs::write(set.join(name), name).expect("written");
    }
    let engine = open(&dir);
    (dir, engine)
}

/// A boot that begins now: it asks, is answered, and takes its address.
async fn begin(engine: &Engine, n: u8) -> Form {
    let boots = engine.boots();
    let at = crate::now();
    let advice = boots.decide(&machine(n, true), &plane(DhcpMode::Full));
    let firmware = Firmware::UefiPxe;
    boots.signal(Who::Mac(mac(n)), at, Signal::Discover { firmware });
    boots.fold(std::future::ready(())).await;
    advice.form
}

async fn told(engine: &Engine, n: u8, signal: Signal) {
    engine
        .boots()
        .signal(Who::Mac(mac(n)), crate::now(), signal);
    engine.boots().fold(std::future::ready(())).await;
}

fn the_one(engine: &Engine) -> FirmwareView {
    let all = engine.firmware().list();
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().expect("one")
}

fn broke_off() -> Signal {
    Signal::LoaderFailed {
        file: "snponly.efi".into(),
        reason: "no answer".into(),
        blame: Some(super::Failure::BrokeOff),
    }
}

#[tokio::test]
async fn what_helped_one_computer_is_kept_for_its_kind_over_a_restart() {
    let (dir, engine) = stage();
    assert_eq!(begin(&engine, 1).await, Form::Plain);
    told(&engine, 1, broke_off()).await;
    assert_eq!(
        engine.boots().quirks(Who::Mac(mac(1))).block_size,
        Some(1024)
    );
    told(&engine, 1, Signal::Script).await;
    let kind = the_one(&engine);
    assert_eq!(
        (kind.oui.as_str(), kind.vendor_class.as_str()),
        ("52:54:00", CLASS)
    );
    assert_eq!((kind.quirks.block_size, kind.worked), (Some(1024), 1));
    let notes = engine.boots().newest(mac(1)).expect("a boot").notes;
    let said = |text: &str| notes.iter().any(|n| n.text.contains(text));
    assert!(
        said("Next it is tried with: TFTP blocks of 1024 bytes"),
        "{notes:?}"
    );

    drop(engine);
    let engine = open(&dir);
    begin(&engine, 2).await;
    assert_eq!(
        engine.boots().quirks(Who::Mac(mac(2))).block_size,
        Some(1024)
    );
    told(&engine, 2, Signal::Script).await;
    assert_eq!(the_one(&engine).worked, 2);
}

#[tokio::test]
async fn a_boot_that_stops_at_its_loader_gets_the_other_one_the_next_time() {
    let (_dir, engine) = stage();
    let boots = engine.boots();
    let file = |is_discover| match boots
        .decide(&machine(1, is_discover), &plane(DhcpMode::Full))
        .file
    {
        BootFile::Loader(name) => name,
        other => panic!("{other:?}"),
    };
    begin(&engine, 1).await;
    assert!(file(false).ends_with("snponly.efi"));
    told(
        &engine,
        1,
        Signal::LoaderAsked {
            file: "snponly.efi".into(),
        },
    )
    .await;
    told(
        &engine,
        1,
        Signal::LoaderDone {
            file: "snponly.efi".into(),
            bytes: 1,
        },
    )
    .await;
    engine.boots().look_at(crate::now().plus_seconds(100)).await;
    let boot = boots.newest(mac(1)).expect("a boot");
    assert_eq!(
        boot.cause.as_ref().map(|c| c.code.as_str()),
        Some("no_script")
    );
    assert_eq!(boot.current().map(|h| h.hop), Some(Hop::Ipxe));
    assert_eq!(the_one(&engine).failed, 1);
    assert!(file(true).ends_with("ipxe.efi"));
}

#[tokio::test]
async fn offers_that_are_left_unanswered_come_in_the_next_form() {
    let (_dir, engine) = stage();
    let firmware = engine.firmware();
    let means = super::Means {
        firmware: Firmware::UefiPxe,
        is_proxy: true,
        chosen_loader: None,
    };
    let at = Timestamp(1_800_000_000_000_000);
    let ask = |after| {
        firmware
            .way(mac(1), CLASS, means, true, at.plus_seconds(after))
            .quirks
    };
    let ways = [0, 4, 12, 28, 60].map(|after| ask(after).to_string());
    let late = "OFFER held back for 1000 ms";
    let usual = "the usual way";
    assert_eq!(ways, [usual, usual, "form load_now", "form load_now", late]);
}

#[tokio::test]
async fn a_pin_is_obeyed_and_nothing_else_is_tried() {
    let (_dir, engine) = stage();
    let itself = engine.as_itself("test");
    begin(&engine, 1).await;
    told(&engine, 1, Signal::Script).await;
    let id = the_one(&engine).id.to_string();
    let params = PinParams {
        form: Some("load_now".into()),
        delay_ms: Some(500),
        block_size: Some(512),
        ..PinParams::default()
    };
    let pinned = itself
        .update_firmware(&id, Some(1), params)
        .await
        .expect("pinned");
    assert!(pinned.pinned && pinned.worked == 0 && pinned.revision == 2);
    let advice = engine
        .boots()
        .decide(&machine(1, true), &plane(DhcpMode::Full));
    assert_eq!(
        (advice.form, advice.delay),
        (Form::LoadNow, Duration::from_millis(500))
    );
    told(&engine, 1, broke_off()).await;
    assert_eq!(engine.boots().quirks(Who::Mac(mac(1))), pinned.quirks);

    // One computer's own goes before that of its kind, and with the computer.
    let own = CreateFirmwareParams {
        client: mac(1).to_string(),
        quirks: PinParams {
            loader: Some("ipxe".into()),
            ..PinParams::default()
        },
    };
    itself.create_firmware(own.clone()).await.expect("made");
    assert!(matches!(
        itself.create_firmware(own).await,
        Err(Error::Conflict { .. })
    ));
    let advice = engine
        .boots()
        .decide(&machine(1, true), &plane(DhcpMode::Full));
    assert_eq!((advice.form, advice.delay), (Form::Plain, Duration::ZERO));
    assert!(matches!(advice.file, BootFile::Loader(name) if name.ends_with("ipxe.efi")));
    let client = engine.clients().find_mac(mac(1)).expect("discovered");
    let choice = itself.boot_choice(&client.name).await.expect("a choice");
    assert_eq!(choice.loader.value, "ipxe");
    assert_eq!(choice.loader.from, types::RuleLevel::Firmware);

    let unpinned = PinParams {
        pinned: Some(false),
        ..PinParams::default()
    };
    itself
        .update_firmware(&id, None, unpinned)
        .await
        .expect("unpinned");
    itself.remove_firmware(&id, None).await.expect("forgotten");
    assert!(matches!(
        itself.remove_firmware(&id, None).await,
        Err(Error::NotFound { .. })
    ));
    let own = the_one(&engine);
    assert_eq!(own.client_id, Some(client.id));
    let unpinned = PinParams {
        pinned: Some(false),
        ..PinParams::default()
    };
    let refused = itself
        .update_firmware(&own.id.to_string(), None, unpinned)
        .await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_that_is_removed_takes_its_pin_along_and_others_hear_of_it() {
    let (_dir, engine) = stage();
    let itself = engine.as_itself("test");
    let new = CreateClientParams::new("pc-1", mac(1));
    let client = itself.create_client(new).await.expect("made");
    let own = CreateFirmwareParams {
        client: "pc-1".into(),
        quirks: PinParams::default(),
    };
    itself.create_firmware(own).await.expect("made");
    let mut events = engine.events().subscribe(types::Topics::default());
    let (told, heard) = std::sync::mpsc::channel();
    // A watcher that came later is told, too: one that fails would keep it from that.
    engine.clients().on_removed(move |c| _ = told.send(c.id));
    itself.remove_client("pc-1", None).await.expect("removed");
    assert_eq!(heard.recv(), Ok(client.id));
    // The page hears of it once it is gone.
    while !engine.firmware().list().is_empty() {
        events.next().await;
    }
}

#[tokio::test]
async fn a_classroom_of_one_kind_is_one_row() {
    let (_dir, engine) = stage();
    for n in 1..=30 {
        engine
            .boots()
            .decide(&machine(n, true), &plane(DhcpMode::Full));
        let (who, at) = (Who::Mac(mac(n)), crate::now());
        let firmware = Firmware::UefiPxe;
        engine
            .boots()
            .signal(who, at, Signal::Discover { firmware });
        engine.boots().signal(who, at, Signal::Script);
    }
    engine.boots().fold(std::future::ready(())).await;
    assert_eq!(the_one(&engine).worked, 30);
    let id = the_one(&engine).id.to_string();
    let itself = engine.as_itself("test");
    itself.remove_firmware(&id, None).await.expect("forgotten");
    assert!(engine.firmware().list().is_empty());
}

#[tokio::test]
async fn a_loader_that_gives_up_at_once_is_changed_for_the_other() {
    let (_dir, engine) = stage();
    begin(&engine, 1).await;
    let (file, bytes) = ("snponly.efi".to_string(), 1);
    let asked = Signal::LoaderAsked { file: file.clone() };
    told(&engine, 1, asked).await;
    told(&engine, 1, Signal::LoaderDone { file, bytes }).await;
    // No 30 s of silence: it begins anew.
    begin(&engine, 1).await;
    let advice = engine
        .boots()
        .decide(&machine(1, false), &plane(DhcpMode::Full));
    assert!(matches!(advice.file, BootFile::Loader(name) if name.ends_with("ipxe.efi")));
    assert_eq!(the_one(&engine).failed, 1);
}

#[tokio::test]
async fn a_raspberry_pi_that_starts_from_its_files_has_not_failed() {
    let (_dir, engine) = stage();
    let pi = Machine {
        firmware: Firmware::RaspberryPi,
        arch: Some(0),
        ..machine(1, true)
    };
    let again = || {
        engine.boots().decide(&pi, &plane(DhcpMode::Full));
        let firmware = Firmware::RaspberryPi;
        let (who, at) = (Who::Mac(mac(1)), crate::now());
        engine
            .boots()
            .signal(who, at, Signal::Discover { firmware });
    };
    again();
    let (file, bytes) = ("kernel8.img".to_string(), 1);
    let asked = Signal::LoaderAsked { file: file.clone() };
    told(&engine, 1, asked).await;
    told(&engine, 1, Signal::LoaderDone { file, bytes }).await;
    again();
    engine.boots().fold(std::future::ready(())).await;
    assert!(engine.firmware().list().is_empty());
}

#[tokio::test]
async fn a_known_way_that_fails_twice_makes_room_for_what_works_now() {
    let (_dir, engine) = stage();
    for n in [1, 2] {
        begin(&engine, n).await;
        told(&engine, n, Signal::Script).await;
    }
    assert_eq!(
        (the_one(&engine).worked, the_one(&engine).quirks),
        (2, Quirks::default())
    );
    for n in [3, 4] {
        begin(&engine, n).await;
        told(&engine, n, broke_off()).await;
    }
    assert_eq!(the_one(&engine).failed, 2);
    assert_eq!(
        engine.boots().quirks(Who::Mac(mac(4))).block_size,
        Some(1024)
    );
    told(&engine, 4, Signal::Script).await;
    let kind = the_one(&engine);
    assert_eq!((kind.quirks.block_size, kind.worked), (Some(1024), 1));
    // Forgotten is forgotten, for the computer that found it out, too.
    let itself = engine.as_itself("test");
    let id = kind.id.to_string();
    itself.remove_firmware(&id, None).await.expect("forgotten");
    assert!(engine.boots().quirks(Who::Mac(mac(4))).is_usual());
}

#[tokio::test]
async fn a_file_that_is_asked_for_in_the_name_of_a_running_computer_changes_nothing() {
    let (_dir, engine) = stage();
    begin(&engine, 1).await;
    told(&engine, 1, Signal::Script).await;
    told(&engine, 1, broke_off()).await;
    assert!(engine.boots().quirks(Who::Mac(mac(1))).is_usual());
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_field() {
    let (_dir, engine) = stage();
    let itself = engine.as_itself("test");
    let new = CreateClientParams::new("pc-1", mac(1));
    itself.create_client(new).await.expect("made");
    let with = |quirks| CreateFirmwareParams {
        client: "pc-1".into(),
        quirks,
    };
    let usual = PinParams::default;
    for (quirks, field) in [
        (
            PinParams {
                form: Some("fast".into()),
                ..usual()
            },
            "form",
        ),
        (
            PinParams {
                loader: Some("grub".into()),
                ..usual()
            },
            "loader",
        ),
        (
            PinParams {
                block_size: Some(511),
                ..usual()
            },
            "block_size",
        ),
        (
            PinParams {
                block_size: Some(1469),
                ..usual()
            },
            "block_size",
        ),
        (
            PinParams {
                delay_ms: Some(10_001),
                ..usual()
            },
            "delay_ms",
        ),
        (
            PinParams {
                pace: Some(63),
                ..usual()
            },
            "pace",
        ),
        (
            PinParams {
                pinned: Some(false),
                ..usual()
            },
            "pinned",
        ),
    ] {
        match itself.create_firmware(with(quirks)).await {
            Err(Error::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(engine.firmware().list().is_empty());
    let made = itself.create_firmware(with(usual())).await.expect("made");
    assert_eq!(
        (made.quirks, made.client_name.as_deref()),
        (Quirks::default(), Some("pc-1"))
    );
    let again = PinParams {
        pace: Some(64),
        ..usual()
    };
    let old = itself.update_firmware("pc-1", Some(7), again.clone()).await;
    assert!(matches!(old, Err(Error::PreconditionFailed { .. })));
    let changed = itself
        .update_firmware("pc-1", Some(1), again)
        .await
        .expect("changed");
    assert_eq!((changed.quirks.pace, changed.revision), (Some(64), 2));
}
