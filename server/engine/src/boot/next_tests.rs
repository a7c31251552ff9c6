//! One-shots: used up durably by the script that they are in, and by nothing else.

use super::*;
use crate::{Engine, EngineConfig};
use store::Read as _;
use types::{CreateBootEntryParams, CreateClientParams, DhcpMode, UpdateClientParams};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

/// A plane whose addresses are another server's, so that any address may ask.
const PLANE: Plane = Plane {
    server: Ipv4Addr::new(10, 77, 0, 1),
    http_port: 8080,
    iscsi_port: 3260,
    assigns_addresses: false,
};

fn open(dir: &tempfile::TempDir) -> Engine {
    Engine::open(EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    })
    .unwrap()
}

/// A file of the folder loaders.
fn put(dir: &tempfile::TempDir, name: &str) {
    let file = dir.path().join("loaders").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "a kernel").unwrap();
}

/// A client that boots from its local disk, with a script for the next boot.
async fn stage(dir: &tempfile::TempDir) -> Engine {
    let engine = open(dir);
    let itself = engine.as_itself("test");
    let entry = |name: &str, kind, kernel: &str, script: &str| CreateBootEntryParams {
        name: name.into(),
        kind,
        kernel: kernel.into(),
        initrds: Vec::new(),
        command_line: String::new(),
        attach_disk: false,
        script: script.into(),
    };
    let own = entry("once", EntryKind::Script, "", "echo ONCE");
    itself.create_boot_entry(own).await.unwrap();
    put(dir, "tool/linux");
    let own = entry("tool", EntryKind::Kernel, "tool/linux", "");
    itself.create_boot_entry(own).await.unwrap();
    let new = CreateClientParams::new("pc-1", MAC);
    itself.create_client(new).await.unwrap();
    set(&engine, Some("local"), Some("once")).await;
    engine
}

async fn set(engine: &Engine, boot_entry: Option<&str>, one_shot: Option<&str>) {
    let params = UpdateClientParams {
        boot_entry: boot_entry.map(Into::into),
        one_shot: one_shot.map(Into::into),
        ..UpdateClientParams::default()
    };
    let itself = engine.as_itself("test");
    itself.update_client("pc-1", None, params).await.unwrap();
}

async fn ask(engine: &Engine, at: Timestamp) -> String {
    let script = engine.boots().script(MAC, PEER, &PLANE, at);
    script.await.unwrap()
}

/// What GRUB reads under that name, and the file that it names.
async fn grub(engine: &Engine, name: &str) -> String {
    let boots = engine.boots();
    let first = boots.grub_config(name.as_bytes(), PEER, &PLANE, crate::now());
    let first = first.await.unwrap().unwrap();
    let named = first
        .strip_prefix("source (tftp,10.77.0.1)/")
        .expect(&first);
    let second = boots.grub_config(named.trim().as_bytes(), PEER, &PLANE, crate::now());
    second.await.unwrap().unwrap()
}

/// The machine begins to boot.
async fn turn_on(engine: &Engine) {
    let firmware = crate::boot::Firmware::BiosPxe;
    let boots = engine.boots();
    boots.signal(Who::Mac(MAC), crate::now(), Signal::Discover { firmware });
    boots.fold(std::future::ready(())).await;
}

fn waiting(engine: &Engine) -> Option<String> {
    engine
        .as_itself("test")
        .client("pc-1")
        .unwrap()
        .one_shot_name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_shot_holds_for_one_boot_also_when_its_answer_is_asked_for_twice() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    assert_eq!(
        engine
            .as_itself("test")
            .boot_choice("pc-1")
            .await
            .unwrap()
            .entry
            .value,
        "once"
    );
    assert_eq!(
        waiting(&engine).as_deref(),
        Some("once"),
        "looking uses nothing up"
    );
    turn_on(&engine).await;
    let at = crate::now();
    assert!(ask(&engine, at).await.contains("echo ONCE"));
    assert_eq!(waiting(&engine), None);
    engine.boots().fold(std::future::ready(())).await;
    // The answer was lost; but not for ever, and not for another boot.
    assert!(
        ask(&engine, at.plus_seconds(10))
            .await
            .contains("echo ONCE")
    );
    let late = ask(&engine, at.plus_seconds(61)).await;
    assert!(late.contains("iseq ${platform} efi"), "{late}");
    turn_on(&engine).await;
    let next = ask(&engine, at.plus_seconds(20)).await;
    assert!(next.contains("iseq ${platform} efi"), "{next}");
    let entries: Vec<store::AuditRecord> = engine.store().read(|tx| tx.list()).unwrap();
    let used = entries
        .iter()
        .filter(|e| e.body.contains("client.one_shot"));
    assert_eq!(used.count(), 1, "it was used up once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_shot_whose_asker_hangs_up_while_it_is_written_down_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    turn_on(&engine).await;
    let at = crate::now();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let slow = engine.store().write(move |_| {
        gate.recv().unwrap();
        Ok::<_, Error>(())
    });
    {
        let mut hung_up = std::pin::pin!(ask(&engine, at));
        tokio::select! {
            biased;
            _ = &mut hung_up => panic!("it waits for the database"),
            () = std::future::ready(()) => {}
        }
    }
    go_on.send(()).unwrap();
    slow.await.unwrap();
    let again = ask(&engine, at.plus_seconds(5)).await;
    assert!(again.contains("echo ONCE"), "{again}");
    assert_eq!(waiting(&engine), None);
    let late = ask(&engine, at.plus_seconds(61)).await;
    assert!(!late.contains("echo ONCE"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_at_any_moment_a_served_one_shot_does_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    turn_on(&engine).await;
    assert!(ask(&engine, crate::now()).await.contains("echo ONCE"));
    drop(engine);
    let engine = open(&dir);
    assert_eq!(waiting(&engine), None);
    let next = ask(&engine, crate::now()).await;
    assert!(next.contains("iseq ${platform} efi"), "{next}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_is_refused_uses_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    // `image` without an image, for once.
    set(&engine, None, Some("image")).await;
    let refused = ask(&engine, crate::now()).await;
    assert!(refused.contains("has no image"), "{refused}");
    assert_eq!(waiting(&engine).as_deref(), Some("image"));
    // GRUB can't run an iPXE script.
    set(&engine, None, Some("once")).await;
    let name = format!("grub/by-mac/{MAC}.cfg");
    let boots = engine.boots();
    let config = grub(&engine, &name).await;
    assert!(config.contains("needs iPXE"), "{config}");
    assert_eq!(waiting(&engine).as_deref(), Some("once"));
    // Nor may another machine ask, where the address tells who asks.
    let own = Plane::at(Ipv4Addr::new(10, 77, 0, 1), DhcpMode::Full);
    let stranger = boots.script(MAC, PEER, &own, crate::now()).await;
    assert!(matches!(stranger, Err(Error::Forbidden(_))));
    assert_eq!(waiting(&engine).as_deref(), Some("once"));
    // A file that is not there is said before anything is done for the boot.
    set(&engine, None, Some("tool")).await;
    let kernel = dir.path().join("loaders/tool/linux");
    std::fs::remove_file(&kernel).unwrap();
    turn_on(&engine).await;
    let missing = "needs the file tool/linux, which is not in the folder loaders";
    let config = grub(&engine, &name).await;
    assert!(config.contains(missing), "{config}");
    let script = ask(&engine, crate::now()).await;
    assert!(script.contains(missing), "{script}");
    assert_eq!(waiting(&engine).as_deref(), Some("tool"));
    boots.fold(std::future::ready(())).await;
    let itself = engine.as_itself("test");
    let boot = itself.client("pc-1").unwrap().last_boot.unwrap();
    assert_eq!(boot.cause.unwrap().code, "file_missing");
    let choice = itself.boot_choice("pc-1").await.unwrap();
    let says = "Nothing: tool needs files that are not in the folder loaders: tool/linux.";
    assert_eq!(choice.outcome, says);
    // What it can start, it uses up.
    put(&dir, "tool/linux");
    let config = grub(&engine, &name).await;
    assert!(
        config.contains("linux (tftp,10.77.0.1)/tool/linux"),
        "{config}"
    );
    assert_eq!(waiting(&engine), None);
}

/// A request over UDP has the address that its sender wrote on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_request_for_a_configuration_uses_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    set(&engine, None, Some("tool")).await;
    let boots = engine.boots();
    let name = format!("grub/by-mac/{MAC}.cfg");
    let answer = boots.grub_config(name.as_bytes(), PEER, &PLANE, crate::now());
    let answer = answer.await.unwrap().unwrap();
    // It went to the computer; whoever forged the question can only guess.
    for ticket in ["", "x", "../", &"A".repeat(24)] {
        let name = format!("grub/by-ticket/{ticket}.cfg");
        let guessed = boots.grub_config(name.as_bytes(), PEER, &PLANE, crate::now());
        assert!(guessed.await.unwrap().is_none());
    }
    let named = answer.trim().rsplit_once("/grub/").expect(&answer).1;
    let named = format!("grub/{named}");
    let elsewhere = Ipv4Addr::new(10, 77, 0, 200);
    let stolen = boots.grub_config(named.as_bytes(), elsewhere, &PLANE, crate::now());
    assert!(stolen.await.unwrap().is_none());
    assert_eq!(waiting(&engine).as_deref(), Some("tool"));
    assert!(grub(&engine, &name).await.contains("tool/linux"));
    assert_eq!(waiting(&engine), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_retired_computers_boot_nothing_and_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    let stranger = MacAddr([0x52, 0x54, 0, 0xab, 0xcd, 0xef]);
    let boots = engine.boots();
    // At an address of its own: beside another server an address belongs to whom it was seen with.
    let own = Ipv4Addr::new(10, 77, 0, 101);
    let said = boots.script(stranger, own, &PLANE, crate::now());
    let said = said.await.unwrap();
    assert!(
        said.contains("Its code is ABCDEF") && said.contains("sleep 10"),
        "{said}"
    );
    let retire = UpdateClientParams {
        retire: Some(true),
        ..UpdateClientParams::default()
    };
    let itself = engine.as_itself("test");
    itself.update_client("pc-1", None, retire).await.unwrap();
    let said = ask(&engine, crate::now()).await;
    assert!(said.contains("pc-1 is retired and boots nothing"), "{said}");
    assert_eq!(waiting(&engine).as_deref(), Some("once"));
}

#[tokio::test]
async fn beside_another_server_the_script_goes_to_the_address_that_was_overheard() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    let stranger = Ipv4Addr::new(10, 77, 0, 200);
    let asks = async |peer| {
        let script = engine.boots().script(MAC, peer, &PLANE, crate::now()).await;
        !matches!(script, Err(Error::Forbidden(_)))
    };
    let net = PLANE.server;
    engine.leases().overheard(net, MAC, PEER);
    assert!(!asks(stranger).await, "its computer is elsewhere");
    assert!(asks(PEER).await);
    // The same computer, with another address for its next stage.
    engine.leases().overheard(net, MAC, stranger);
    assert!(!asks(PEER).await);
    assert!(asks(stranger).await);
    // An address that is another computer's.
    engine
        .leases()
        .overheard(net, MacAddr([2, 0, 0, 0, 0, 9]), stranger);
    assert!(!asks(stranger).await);
}

/// What disk_owner says, by name.
fn owner(engine: &Engine, peer: Ipv4Addr) -> Option<String> {
    let owner = engine.boots().disk_owner(peer, &PLANE);
    owner.map(|client| client.name.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_another_server_an_address_is_its_computers_as_overheard_or_as_of_its_last_boot() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    let (net, other) = (PLANE.server, Ipv4Addr::new(10, 77, 0, 200));
    assert_eq!(owner(&engine, PEER), None, "nobody is taken at its word");
    engine.leases().overheard(net, MAC, PEER);
    assert_eq!(owner(&engine, PEER).as_deref(), Some("pc-1"));
    assert_eq!(owner(&engine, other), None);
    turn_on(&engine).await;
    let firmware = crate::boot::Firmware::Ipxe;
    let took = Signal::TookOther {
        server: Ipv4Addr::new(10, 77, 0, 254),
        address: PEER,
        firmware,
    };
    let boots = engine.boots();
    boots.signal(Who::Mac(MAC), crate::now(), took);
    boots.fold(std::future::ready(())).await;
    drop(engine);

    let engine = open(&dir);
    assert_eq!(
        owner(&engine, PEER).as_deref(),
        Some("pc-1"),
        "after a restart"
    );
    assert_eq!(owner(&engine, other), None);
    // It is heard again, elsewhere: its old address is nobody's.
    engine.leases().overheard(net, MAC, other);
    assert_eq!(owner(&engine, PEER), None);
    assert_eq!(owner(&engine, other).as_deref(), Some("pc-1"));
    engine
        .leases()
        .overheard(net, MacAddr([2, 0, 0, 0, 0, 9]), PEER);
    assert_eq!(owner(&engine, PEER), None, "not one of ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_that_opens_its_disk_by_nbd_gets_it_ready_and_only_while_nbd_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = stage(&dir).await;
    let itself = engine.as_itself("test");
    let mut import = itself
        .begin_import(crate::images::NewImport::new("disk", None))
        .await
        .unwrap();
    import.write(vec![7u8; 1 << 20].into()).await.unwrap();
    import.finish().await.unwrap();
    put(&dir, "debian/vmlinuz");
    let entry = CreateBootEntryParams {
        name: "by-nbd".into(),
        kind: EntryKind::Kernel,
        kernel: "debian/vmlinuz".into(),
        initrds: Vec::new(),
        command_line: "nbdroot=${nsboot-server},${nsboot-client},nbd0 root=/dev/nbd0p1".into(),
        attach_disk: true,
        script: String::new(),
    };
    itself.create_boot_entry(entry).await.unwrap();
    let params = UpdateClientParams {
        image: Some("disk".into()),
        ..UpdateClientParams::default()
    };
    itself.update_client("pc-1", None, params).await.unwrap();
    // Without the one-shot.
    set(&engine, Some("by-nbd"), Some("")).await;
    let target = crate::boot::identity::target(itself.client("pc-1").unwrap().id);
    let is_offered = || engine.exports().offered(&target).is_some();

    turn_on(&engine).await;
    let refused = ask(&engine, crate::now()).await;
    assert!(
        refused.contains("opens the disk by NBD, and NBD is off"),
        "{refused}"
    );
    assert!(!is_offered());

    let value = types::SettingValue::Text("true".into());
    let on = types::UpdateSettingsParams {
        values: [("nbd.enabled".to_string(), Some(value))].into(),
        confirm_within_seconds: None,
    };
    itself.update_settings(None, on).await.unwrap();
    let script = ask(&engine, crate::now()).await;
    assert!(
        script.contains("set nsboot-server 10.77.0.1\nset nsboot-client pc-1\n"),
        "{script}"
    );
    assert!(
        script.contains(" nbdroot=${nsboot-server},${nsboot-client},nbd0 "),
        "{script}"
    );
    assert!(!script.contains("sanhook --drive 0x80 iscsi"), "{script}");
    assert!(is_offered());
    let config = grub(&engine, "/grub/grub.cfg").await;
    assert!(config.contains("'nbdroot=10.77.0.1,pc-1,nbd0'"), "{config}");
    assert!(!config.contains("iscsi_"), "{config}");
}
