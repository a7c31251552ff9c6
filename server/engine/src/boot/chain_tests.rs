//! An old iPXE goes through our loader once: what counts as that loader, and when a new boot begins.

use super::{BootFile, Features, Firmware, Machine, Plane, Signal, Who};
use crate::{Engine, EngineConfig, now};
use std::net::Ipv4Addr;
use types::{DhcpMode, MacAddr};

#[tokio::test]
async fn only_a_loader_of_a_set_counts_as_ours_and_until_its_script_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("loaders").join("mine");
    std::fs::create_dir_all(&set).unwrap();
    for file in ["undionly.kpxe", "vmlinuz"] {
        std::fs::write(set.join(file), "MZ").unwrap();
    }
    let engine = Engine::open(EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    })
    .unwrap();
    let value = types::SettingValue::Text("mine".into());
    let params = types::UpdateSettingsParams {
        values: [("clients.loader_set".to_string(), Some(value))].into(),
        confirm_within_seconds: None,
    };
    let itself = engine.as_itself("test");
    itself.update_settings(None, params).await.unwrap();
    let machine = Machine {
        vendor_class: "PXEClient".into(),
        is_discover: true,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        firmware: Firmware::Ipxe,
        arch: Some(0),
        uuid: None,
        ipxe: Features::default(),
    };
    let plane = Plane::at(Ipv4Addr::new(10, 77, 0, 1), DhcpMode::Full);
    let boots = engine.boots();
    let gets_ours = || match boots.decide(&machine, &plane).file {
        BootFile::Loader(file) => file == "mine/undionly.kpxe",
        _ => false,
    };
    let done = |file: &str| Signal::LoaderDone {
        file: file.into(),
        bytes: 2,
    };
    let who = Who::Mac(machine.mac);
    assert!(gets_ours());
    for other in ["mine/vmlinuz", "vmlinuz", "grub/grub.cfg", ""] {
        boots.signal(who, now(), done(other));
        assert!(gets_ours(), "{other:?} is no loader");
    }
    boots.signal(who, now(), done("mine/undionly.kpxe"));
    assert!(!gets_ours(), "it has it");
    boots.signal(who, now(), Signal::Script);
    assert!(gets_ours(), "the next boot of its ROM");
}
