//! What holds for boot entries and groups, seen from the door.

use crate::{Area, Engine, EngineConfig, Error};
use types::{
    BootEntryId, ClientState, CreateBootEntryParams, CreateClientParams, CreateGroupParams,
    EntryKind, MacAddr, SettingValue, UpdateBootEntryParams, UpdateClientParams, UpdateGroupParams,
    UpdateSettingsParams,
};

struct House {
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        House {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    fn open(&self) -> Engine {
        Engine::open(EngineConfig {
            data_dir: self.dir.path().into(),
            ..EngineConfig::default()
        })
        .unwrap()
    }
}

fn kernel(name: &str) -> CreateBootEntryParams {
    CreateBootEntryParams {
        name: name.into(),
        kind: EntryKind::Kernel,
        kernel: "debian/linux".into(),
        initrds: vec!["debian/initrd.gz".into()],
        command_line: "ip=dhcp BOOTIF=01-${net0/mac:hexhyp}".into(),
        attach_disk: false,
        script: String::new(),
    }
}

fn script(name: &str, text: &str) -> CreateBootEntryParams {
    CreateBootEntryParams {
        kind: EntryKind::Script,
        kernel: String::new(),
        initrds: Vec::new(),
        command_line: String::new(),
        script: text.into(),
        ..kernel(name)
    }
}

fn client(n: u8) -> CreateClientParams {
    CreateClientParams::new(format!("pc-{n}"), MacAddr([2, 0, 0, 0, 0, n]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_kept_and_the_built_in_ones_are_always_there() {
    let place = House::new();
    let engine = place.open();
    let itself = engine.as_itself("test");
    let made = itself.create_boot_entry(kernel("installer")).await.unwrap();
    let rename = UpdateBootEntryParams {
        name: Some("Installer-13".into()),
        attach_disk: Some(true),
        ..UpdateBootEntryParams::default()
    };
    let changed = itself.update_boot_entry("INSTALLER", Some(1), rename.clone());
    let changed = changed.await.unwrap();
    assert_eq!((changed.revision, changed.attach_disk), (2, true));
    assert_eq!(changed.kernel, made.kernel);
    drop((engine, itself));

    let engine = place.open();
    let itself = engine.as_itself("test");
    let names: Vec<_> = itself.boot_entries().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["image", "local", "Installer-13"]);
    assert_eq!(itself.boot_entry("installer-13").unwrap(), changed);
    let late = itself
        .update_boot_entry("installer-13", Some(1), rename)
        .await;
    assert!(matches!(
        late,
        Err(Error::PreconditionFailed { current: 2, .. })
    ));
    for built_in in ["image", "local", &BootEntryId::LOCAL.to_string()] {
        assert!(itself.boot_entry(built_in).unwrap().built_in);
        let gone = itself.remove_boot_entry(built_in, None).await;
        assert!(matches!(gone, Err(Error::Conflict { .. })), "{built_in}");
        let other = itself.update_boot_entry(built_in, None, UpdateBootEntryParams::default());
        assert!(matches!(other.await, Err(Error::Conflict { .. })));
        let again = itself.create_boot_entry(script(built_in, "shell")).await;
        assert!(again.is_err(), "{built_in}");
    }
    itself
        .remove_boot_entry("installer-13", Some(2))
        .await
        .unwrap();
    assert_eq!(itself.boot_entries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_a_rule_is_refused_with_its_field() {
    let place = House::new();
    let engine = place.open();
    let itself = engine.as_itself("test");
    let with = |change: fn(&mut CreateBootEntryParams)| {
        let mut params = kernel("x");
        change(&mut params);
        params
    };
    let long = "x".repeat(2049);
    let cases = [
        ("name", with(|p| p.name = "a b".into())),
        ("name", with(|p| p.name = String::new())),
        ("kind", with(|p| p.kind = EntryKind::Local)),
        ("kernel", with(|p| p.kernel = String::new())),
        ("kernel", with(|p| p.kernel = "/linux".into())),
        ("kernel", with(|p| p.kernel = "a/../linux".into())),
        ("kernel", with(|p| p.kernel = "li nux".into())),
        ("kernel", with(|p| p.kernel = "https://a/linux".into())),
        ("kernel", with(|p| p.kernel = "http:///linux".into())),
        ("kernel", with(|p| p.kernel = "http://a/l\nshell".into())),
        ("kernel", with(|p| p.kernel = "http://a/${x}".into())),
        (
            "initrds",
            with(|p| p.initrds = vec!["ok".into(), "not//ok".into()]),
        ),
        ("initrds", with(|p| p.initrds = vec!["a".into(); 9])),
        ("command_line", with(|p| p.command_line = "a\nshell".into())),
        (
            "command_line",
            with(|p| p.command_line = "a || shell".into()),
        ),
        ("command_line", with(|p| p.command_line = "a #b".into())),
        ("command_line", with(|p| p.command_line = "ä".into())),
        (
            "command_line",
            CreateBootEntryParams {
                command_line: long,
                ..kernel("x")
            },
        ),
        ("script", with(|p| p.script = "shell".into())),
        ("script", script("x", " \n ")),
        ("script", script("x", &"x".repeat((16 << 10) + 1))),
        ("script", script("x", "a\u{1b}[2J")),
        (
            "attach_disk",
            CreateBootEntryParams {
                attach_disk: true,
                ..script("x", "shell")
            },
        ),
    ];
    for (want, params) in cases {
        let told = format!("{params:?}");
        match itself.create_boot_entry(params).await {
            Err(Error::Invalid {
                area: Area::BootEntry,
                field,
                ..
            }) => {
                assert_eq!(field, want, "{told}");
            }
            other => panic!("{other:?}: {told}"),
        }
    }
    let own = "#!ipxe\nmenu x\r\n\tshell || goto x\n";
    let made = itself.create_boot_entry(script("own", own)).await.unwrap();
    assert_eq!(made.script, own, "as it was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_named_somewhere_is_not_removed_and_a_new_name_shows_everywhere() {
    let place = House::new();
    let engine = place.open();
    let itself = engine.as_itself("test");
    std::fs::create_dir(place.dir.path().join("loaders/signed-2")).unwrap();
    itself.create_boot_entry(kernel("tool")).await.unwrap();
    let new = CreateGroupParams {
        name: "row-1".into(),
        boot_entry: Some("tool".into()),
        loader_set: Some("signed-2".into()),
        loader: Some("ipxe".into()),
        ..CreateGroupParams::default()
    };
    let group = itself.create_group(new.clone()).await.unwrap();
    assert_eq!(group.boot_entry_name.as_deref(), Some("tool"));
    assert!(matches!(
        itself.create_group(new).await,
        Err(Error::Conflict { .. })
    ));
    itself.create_client(client(1)).await.unwrap();
    let set = |group: &str, entry: &str, once: &str| UpdateClientParams {
        group: Some(group.into()),
        boot_entry: Some(entry.into()),
        one_shot: Some(once.into()),
        ..UpdateClientParams::default()
    };
    let shown = itself.update_client("pc-1", None, set("ROW-1", "local", "tool"));
    let shown = shown.await.unwrap();
    let names = (shown.group_name, shown.boot_entry_name, shown.one_shot_name);
    let text = |s: &str| Some(s.to_string());
    assert_eq!(names, (text("row-1"), text("local"), text("tool")));
    assert_eq!(itself.group("row-1").unwrap().client_count, 1);
    for gone in [
        itself.remove_boot_entry("tool", None).await,
        itself.remove_group("row-1", None).await,
    ] {
        assert!(matches!(gone, Err(Error::Conflict { .. })), "{gone:?}");
    }
    let name = Some("tool-2".to_string());
    let rename = UpdateBootEntryParams {
        name,
        ..UpdateBootEntryParams::default()
    };
    itself
        .update_boot_entry("tool", None, rename)
        .await
        .unwrap();
    assert_eq!(itself.client("pc-1").unwrap().one_shot_name, text("tool-2"));

    let shown = itself
        .update_client("pc-1", None, set("", "", ""))
        .await
        .unwrap();
    assert_eq!(
        (shown.group_id, shown.boot_entry_id, shown.one_shot_id),
        (None, None, None)
    );
    let still = itself.remove_boot_entry("tool-2", None).await;
    assert!(still.is_err(), "the group names it");
    let empty = UpdateGroupParams {
        boot_entry: Some(String::new()),
        ..UpdateGroupParams::default()
    };
    itself.update_group("row-1", None, empty).await.unwrap();
    let value = SettingValue::Text("tool-2".into());
    let params = UpdateSettingsParams {
        values: [("clients.boot_entry".to_string(), Some(value))].into(),
        ..UpdateSettingsParams::default()
    };
    itself.update_settings(None, params).await.unwrap();
    let set = itself.remove_boot_entry("tool-2", None).await.unwrap_err();
    assert!(set.to_string().contains("clients.boot_entry"), "{set}");
    for unknown in ["nobody", "0"] {
        let missing = UpdateClientParams {
            boot_entry: Some(unknown.into()),
            ..UpdateClientParams::default()
        };
        let refused = itself.update_client("pc-1", None, missing).await;
        assert!(matches!(
            refused,
            Err(Error::NotFound {
                area: Area::BootEntry,
                ..
            })
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_is_retired_and_comes_back_by_being_adopted() {
    let place = House::new();
    let engine = place.open();
    let itself = engine.as_itself("test");
    itself.create_client(client(1)).await.unwrap();
    let change = |adopt, retire| UpdateClientParams {
        adopt,
        retire,
        ..UpdateClientParams::default()
    };
    for (adopt, retire, want) in [
        (None, Some(true), Some(ClientState::Retired)),
        (None, Some(true), Some(ClientState::Retired)),
        (None, Some(false), None),
        (Some(true), Some(true), None),
        (Some(false), None, Some(ClientState::Retired)),
        (Some(true), None, Some(ClientState::Adopted)),
        (None, Some(false), Some(ClientState::Adopted)),
        (Some(false), None, None),
    ] {
        let got = itself
            .update_client("pc-1", None, change(adopt, retire))
            .await;
        assert_eq!(got.ok().map(|c| c.state), want, "{adopt:?} {retire:?}");
    }
    let why = itself.boot_choice("pc-1").await.unwrap();
    assert_eq!(
        (why.entry.value.as_str(), why.outcome.as_str()),
        ("image", "Nothing: it has no image.")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_an_entry_that_are_not_there_are_said_and_told_when_they_come_and_go() {
    let place = House::new();
    let engine = place.open();
    let itself = engine.as_itself("test");
    let both = ["debian/linux", "debian/initrd.gz"];
    let made = itself.create_boot_entry(kernel("installer")).await.unwrap();
    assert_eq!(made.missing, both);
    // What comes from elsewhere is not looked for.
    let far = CreateBootEntryParams {
        kernel: "http://10.77.0.9/linux".into(),
        initrds: Vec::new(),
        ..kernel("far")
    };
    let far = itself.create_boot_entry(far).await.unwrap();
    assert!(far.missing.is_empty());

    let mut events = engine.events().subscribe(types::Topics::default());
    let folder = place.dir.path().join("loaders/debian");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("linux"), "a kernel").unwrap();
    let looked = engine.entries().look_for_files(engine.loaders());
    looked.await.unwrap();
    let crate::Next::Changes(changes) = events.next().await else {
        panic!("few events are not too many");
    };
    let told: Vec<_> = changes
        .iter()
        .map(|change| match change.event() {
            types::Event::BootEntryChanged { entry } => (entry.name.as_str(), &entry.missing[..]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [("installer", &["debian/initrd.gz".to_string()][..])]);
    assert_eq!(itself.boot_entry("installer").unwrap().revision, 1);
    drop((engine, itself, events));

    let engine = place.open();
    let installer = engine.as_itself("test").boot_entry("installer").unwrap();
    assert_eq!(installer.missing, ["debian/initrd.gz"], "from the start on");
}
