use super::{tricks::tricks, *};
use crate::{Engine, EngineConfig, Next};
use bytes::Bytes;
use std::{fs, os::unix::fs::symlink};
use tar::{Builder, Header};

/// A data folder with a loose file, a set, a distribution beside it and something to keep secret.
struct Stage {
    dir: tempfile::TempDir,
    loaders: Loaders,
    default: Arc<Mutex<String>>,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir_all(root.join("ipxe-1.0/arm64-efi")).unwrap();
    fs::create_dir_all(root.join(".upload-1")).unwrap();
    fs::write(dir.path().join("secret"), b"secret").unwrap();
    fs::write(root.join("sub/a.efi"), b"efi").unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink("../../secret", root.join("ipxe-1.0/link")).unwrap();
    for name in ["snponly.efi", "ipxe.efi", "arm64-efi/ipxe.efi"] {
        fs::write(root.join("ipxe-1.0").join(name), b"of 1.0").unwrap();
    }
    let packages = dir.path().join("packages");
    fs::create_dir_all(&packages).unwrap();
    fs::write(packages.join("undionly.kpxe"), b"loader").unwrap();
    fs::write(packages.join("snponly.efi"), b"debian's").unwrap();
    fs::write(packages.join("ipxe.iso"), b"a disk").unwrap();
    // As Debian has it: the package's file lies elsewhere.
    fs::write(dir.path().join("boot.efi"), b"in /boot").unwrap();
    symlink("../boot.efi", packages.join("ipxe.efi")).unwrap();
    let default = Arc::new(Mutex::new(DEBIAN.to_owned()));
    let name = default.clone();
    let distribution = Distribution {
        ipxe: packages.clone(),
        signed: ["shimx64.efi", "grubx64.efi"]
            .map(|name| (name, packages.join(format!("{name}.signed"))))
            .into(),
    };
    let current = Box::new(move || name.lock().unwrap().clone());
    let loaders = Loaders::with(&root, distribution, current).unwrap();
    // Opening it tidied up; the tricks ask for this one, too.
    fs::create_dir_all(root.join(".upload-1")).unwrap();
    fs::write(root.join(".upload-1/secret"), b"secret").unwrap();
    Stage {
        dir,
        loaders,
        default,
    }
}

impl Stage {
    fn found(&self, asked: &[u8]) -> Option<String> {
        let mut file = self.loaders.find(asked)?;
        let mut text = String::new();
        io::Read::read_to_string(&mut file.file, &mut text).unwrap();
        assert_eq!(text.len() as u64, file.len);
        Some(text)
    }

    fn default_is(&self, name: &str) {
        *self.default.lock().unwrap() = name.into();
    }

    fn install_signed(&self) {
        for name in ["shimx64.efi", "grubx64.efi"] {
            let place = self.dir.path().join(format!("packages/{name}.signed"));
            fs::write(place, name).unwrap();
        }
        self.loaders.inner.look();
    }
}

#[test]
fn names_are_found_however_firmware_writes_them() {
    let stage = stage();
    for asked in [
        &b"undionly.kpxe"[..],
        b"/undionly.kpxe",
        b"//undionly.kpxe",
        b"\\undionly.kpxe",
        b"undionly.kpxe\xff",
        b"undionly.kpxe.0",
        b"debian/undionly.kpxe",
        b"\\debian\\undionly.kpxe",
    ] {
        assert_eq!(stage.found(asked).as_deref(), Some("loader"), "{asked:?}");
    }
    for asked in [&b"sub/a.efi"[..], b"sub\\a.efi", b"/sub//a.efi"] {
        assert_eq!(stage.found(asked).as_deref(), Some("efi"), "{asked:?}");
    }
    let linked = stage.found(b"ipxe.efi");
    assert_eq!(linked.as_deref(), Some("in /boot"), "a package's own link");
    assert_eq!(stage.found(b"debian/ipxe.iso"), None, "nothing to start");
}

#[test]
fn nothing_outside_the_folder_is_found() {
    let stage = stage();
    let tricks = tricks();
    assert!(tricks.len() >= 300);
    for default in [DEBIAN, "ipxe-1.0", "..", ".upload-1"] {
        stage.default_is(default);
        for asked in &tricks {
            let found = stage.loaders.find(asked).is_some();
            assert!(!found, "{}", String::from_utf8_lossy(asked));
        }
    }
}

#[test]
fn a_name_without_a_set_is_looked_for_loose_then_in_the_default_set_then_in_debians() {
    let stage = stage();
    assert_eq!(stage.found(b"snponly.efi").as_deref(), Some("debian's"));
    stage.default_is("ipxe-1.0");
    assert_eq!(stage.found(b"snponly.efi").as_deref(), Some("of 1.0"));
    assert_eq!(stage.found(b"undionly.kpxe").as_deref(), Some("loader"));
    let named = stage.found(b"debian/snponly.efi");
    assert_eq!(named.as_deref(), Some("debian's"));
    fs::write(stage.dir.path().join("root/snponly.efi"), b"loose").unwrap();
    assert_eq!(stage.found(b"snponly.efi").as_deref(), Some("loose"));
    let named = stage.found(b"ipxe-1.0/snponly.efi");
    assert_eq!(named.as_deref(), Some("of 1.0"));
}

#[test]
fn a_machine_is_told_a_name_that_is_found() {
    use LoaderKind::{Ipxe, Snponly};
    let stage = stage();
    let told = |set, kind, arch| stage.loaders.loader(set, kind, arch);
    assert_eq!(told(None, Snponly, 0).as_deref(), Some("undionly.kpxe"));
    assert_eq!(told(None, Snponly, 7).as_deref(), Some("snponly.efi"));
    assert_eq!(told(None, Ipxe, 9).as_deref(), Some("ipxe.efi"));
    assert_eq!(told(None, Snponly, 11), None, "Debian 12 has none");
    let arm = Some("ipxe-1.0/arm64-efi/ipxe.efi");
    assert_eq!(told(Some("ipxe-1.0"), Snponly, 11).as_deref(), arm);
    // What a set lacks, or a set that is gone, is left to the default.
    for set in ["ipxe-1.0", "gone-1.0"] {
        let bios = told(Some(set), Snponly, 0);
        assert_eq!(bios.as_deref(), Some("undionly.kpxe"), "{set}");
    }
    let chosen = told(Some("debian-signed"), Snponly, 7);
    assert_eq!(chosen.as_deref(), Some("snponly.efi"), "not installed yet");
    stage.install_signed();
    let signed = Some("debian-signed/shimx64.efi");
    assert_eq!(told(Some("debian-signed"), Snponly, 7).as_deref(), signed);
    // GRUB that was loaded by HTTP goes nowhere.
    for arch in [16, 17] {
        assert_eq!(
            told(Some("debian-signed"), Snponly, arch).as_deref(),
            Some("snponly.efi")
        );
    }
    let grub = |set| stage.loaders.grub_of(set, Snponly);
    assert_eq!(
        grub(Some("debian-signed")).as_deref(),
        Some("debian-signed")
    );
    assert_eq!(grub(Some("ipxe-1.0")), None);
    stage.default_is("debian-signed");
    assert_eq!(grub(None).as_deref(), Some("debian-signed"));
    assert_eq!(told(None, Ipxe, 9).as_deref(), signed);
    assert_eq!(
        told(None, Snponly, 0).as_deref(),
        Some("debian/undionly.kpxe")
    );
    // The shim asks for its next stage by a bare name, or beside itself.
    for asked in [&b"grubx64.efi"[..], b"debian-signed/grubx64.efi"] {
        assert_eq!(stage.found(asked).as_deref(), Some("grubx64.efi"));
    }
}

#[test]
fn what_a_stop_left_half_done_is_gone_at_the_next_start() {
    let stage = stage();
    let root = stage.dir.path().join("root");
    fs::create_dir_all(root.join(".removed-2/sub")).unwrap();
    staging::tidy(&root);
    let left = |name: &str| root.join(name).exists();
    assert!(!left(".upload-1") && !left(".removed-2") && left("ipxe-1.0"));
}

fn engine() -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    };
    (dir, Engine::open(config).unwrap())
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

async fn upload(admin: &crate::Admin, name: &str, archive: &[u8]) -> Result<LoaderSetView> {
    let mut upload = admin.begin_loader_set(name).await?;
    for piece in archive.chunks(700) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}

fn names_in(dir: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join("loaders")).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_becomes_a_set_with_one_entry_of_the_audit_log() {
    let (_dir, engine) = engine();
    let admin = engine.as_itself("test");
    let mut told = engine.events().subscribe("loaders".parse().unwrap());
    let files: &[(&str, &[u8])] = &[
        ("ipxe-2.0.0/snponly.efi", b"snp"),
        ("ipxe-2.0.0/snponly-shimx64.efi", b"shim"),
        ("ipxe-2.0.0/arm64-efi/ipxe.efi", b"arm"),
    ];
    let set = upload(&admin, "ipxe-2.0.0", &archive(files)).await.unwrap();
    let paths: Vec<_> = set.files.iter().map(|f| f.path.as_str()).collect();
    let want = ["arm64-efi/ipxe.efi", "snponly-shimx64.efi", "snponly.efi"];
    assert_eq!(paths, want, "without the archive's own folder");
    assert_eq!(set.size_bytes, 10);
    assert_eq!(
        set.files[2].sha256,
        // printf snp | sha256sum
        "295444c1178cf38f23dded47fdf8a2fd19145e43170b93e9a2d013ef78be93fa"
    );
    let x64 = engine
        .loaders()
        .loader(Some("ipxe-2.0.0"), LoaderKind::Snponly, 7);
    assert_eq!(x64.as_deref(), Some("ipxe-2.0.0/snponly-shimx64.efi"));
    assert!(engine.loaders().find(x64.unwrap().as_bytes()).is_some());
    let entries = admin.audit(Default::default(), None, 10).await.unwrap();
    assert_eq!(
        (&*entries[0].action, &*entries[0].result),
        ("loader.add", "ok")
    );
    let Next::Changes(changes) = told.next().await else {
        panic!("nothing was lost");
    };
    let told = changes[0].event();
    assert!(
        matches!(told, types::Event::LoadersChanged { set, sets } if set == "ipxe-2.0.0" && sets.contains(set))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_refused_leaves_nothing() {
    let (dir, engine) = engine();
    let admin = engine.as_itself("test");
    let good = archive(&[("ipxe.efi", b"x")]);
    // With one folder around everything it would fit.
    let too_deep = archive(&[("1/2/3/4/5/6/7/8/x", b"x"), ("y", b"y")]);
    for (name, bytes, says) in [
        ("a", &good[..600], "tar archive"),
        ("a", &b"no archive".repeat(99)[..], "tar archive"),
        ("a", &too_deep[..], "folders"),
        ("..", &good[..], "begins with a letter"),
        ("a/b", &good[..], "letters a-z"),
        ("debian", &good[..], "already"),
    ] {
        let refused = upload(&admin, name, bytes).await.expect_err(says);
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let broken_off = admin.begin_loader_set("a").await.unwrap();
    drop(broken_off);
    upload(&admin, "a", &good).await.unwrap();
    let again = upload(&admin, "a", &archive(&[("b", b"y")])).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    // What is written down at once comes before what is written now.
    upload(&admin, "b", &good).await.unwrap();
    let refusals = admin.audit(Default::default(), None, 20).await.unwrap();
    let refused = refusals.iter().filter(|e| e.result != "ok");
    assert_eq!(refused.count(), 8, "each is written down");
    assert_eq!(engine.loaders().find(b"a/b").map(|f| f.len), None);
    // The one that was dropped goes when its thread hears of it.
    while names_in(&dir) != ["a", "b"] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_in_use_stays() {
    let (dir, engine) = engine();
    let admin = engine.as_itself("test");
    upload(&admin, "ipxe-2", &archive(&[("ipxe.efi", b"x")]))
        .await
        .unwrap();
    let default = |name: &str| types::UpdateSettingsParams {
        values: [(
            "clients.loader_set".to_owned(),
            Some(types::SettingValue::Text(name.into())),
        )]
        .into(),
        confirm_within_seconds: None,
    };
    let gone = admin.update_settings(None, default("ipxe-3")).await;
    assert!(matches!(gone, Err(Error::Invalid { .. })), "{gone:?}");
    admin
        .update_settings(None, default("ipxe-2"))
        .await
        .unwrap();
    let sets = admin.loader_sets().await.unwrap();
    let chosen: Vec<_> = sets.iter().filter(|s| s.is_default).collect();
    assert!(matches!(&chosen[..], [one] if one.name == "ipxe-2"));
    for name in ["ipxe-2", DEBIAN] {
        let used = admin.remove_loader_set(name).await;
        assert!(matches!(used, Err(Error::Conflict { .. })), "{used:?}");
    }
    let none = admin.remove_loader_set("none").await;
    assert!(matches!(none, Err(Error::NotFound { .. })), "{none:?}");
    admin.update_settings(None, default(DEBIAN)).await.unwrap();
    admin.remove_loader_set("ipxe-2").await.unwrap();
    assert!(names_in(&dir).is_empty() && !engine.loaders().has_set("ipxe-2"));
    let newest = &admin.audit(Default::default(), None, 1).await.unwrap()[0];
    assert_eq!((&*newest.action, &*newest.result), ("loader.remove", "ok"));
}

fn of_set<T: serde::de::DeserializeOwned>(set: &str) -> T {
    serde_json::from_value(serde_json::json!({ "loader_set": set })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_set_that_is_there_can_be_chosen_and_explain_says_when_it_is_gone() {
    let (dir, engine) = engine();
    let admin = engine.as_itself("test");
    upload(&admin, "ipxe-2", &archive(&[("ipxe.efi", b"x")]))
        .await
        .unwrap();
    let new = serde_json::json!({ "name": "pc-1", "mac": "02:00:00:00:00:01" });
    let new = serde_json::from_value(new).unwrap();
    admin.create_client(new).await.unwrap();
    let group = |set: &str| types::CreateGroupParams {
        name: "row-1".into(),
        loader_set: Some(set.into()),
        ..types::CreateGroupParams::default()
    };
    admin.create_group(group("")).await.unwrap();
    for (set, says) in [("ipxe-3", "there are "), ("../x", "letters a-z")] {
        let client = admin.update_client("pc-1", None, of_set(set)).await;
        let clients = admin
            .update_clients(&["pc-1".into()], 1, of_set(set))
            .await
            .map(drop);
        let changed = admin.update_group("row-1", None, of_set(set)).await;
        let made = admin.create_group(group(set)).await;
        for refused in [client.map(drop), clients, changed.map(drop), made.map(drop)] {
            let Err(Error::Invalid { message, field, .. }) = refused else {
                panic!("{set} was taken: {refused:?}");
            };
            assert!(message.contains(says), "{message}");
            assert_eq!(field, "loader_set");
            assert!(set == "../x" || message.contains("ipxe-2"), "{message}");
        }
    }
    admin
        .update_client("pc-1", None, of_set("ipxe-2"))
        .await
        .unwrap();
    let chosen = admin.boot_choice("pc-1").await.unwrap().loader_set;
    assert_eq!(chosen.value, "ipxe-2");
    // The door refuses that; whoever has the disk does not ask it.
    fs::remove_dir_all(dir.path().join("loaders/ipxe-2")).unwrap();
    let gone = admin.boot_choice("pc-1").await.unwrap().loader_set;
    assert_eq!(
        (gone.value.as_str(), gone.from),
        ("", types::RuleLevel::BuiltIn)
    );
    let own = &gone.steps[0];
    assert_eq!(own.value.as_deref(), Some("ipxe-2"));
    assert!(own.why.contains("the next choice holds"), "{}", own.why);
    // A form that was opened for something else sends it as it was.
    let same = admin.update_client("pc-1", None, of_set("ipxe-2")).await;
    assert!(same.is_ok(), "{same:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_that_grub_starts_no_image() {
    let (_dir, engine) = engine();
    let admin = engine.as_itself("test");
    let files: &[(&str, &[u8])] = &[("shimx64.efi", b"shim"), ("grubx64.efi", b"grub")];
    upload(&admin, "signed-1", &archive(files)).await.unwrap();
    let new = serde_json::json!({ "name": "pc-1", "mac": "02:00:00:00:00:01" });
    let new = serde_json::from_value(new).unwrap();
    admin.create_client(new).await.unwrap();
    let outcome = async || admin.boot_choice("pc-1").await.unwrap().outcome;
    assert_eq!(outcome().await, "Nothing: it has no image.");
    admin
        .update_client("pc-1", None, of_set("signed-1"))
        .await
        .unwrap();
    let said = outcome().await;
    assert!(
        said.starts_with("By UEFI PXE nothing: the loader set signed-1 gives it GRUB"),
        "{said}"
    );
    let local = serde_json::json!({ "boot_entry": "local" });
    let local = serde_json::from_value(local).unwrap();
    admin.update_client("pc-1", None, local).await.unwrap();
    assert_eq!(outcome().await, "It starts from the disk in the computer.");
}
