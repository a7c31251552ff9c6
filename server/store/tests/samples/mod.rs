//! One record of each kind, with every field filled.

use std::net::Ipv4Addr;
use store::*;
use types::*;
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0193_4c5e_7b00_7000_8000_0000_0000_0000 + n)
}

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const AT: Timestamp = Timestamp(1_795_234_800_123_456);

pub fn client() -> ClientRecord {
    ClientRecord {
        id: ClientId(id(1)),
        name: "pc-07".into(),
        mac: MAC,
        state: ClientState::Adopted,
        image_id: Some(ImageId(id(2))),
        mode: OverlayMode::Keep,
        is_virtual: true,
        chap_secret: StoredSecret::Sealed(Sealed::new((183..=255).collect())),
        group_id: Some(GroupId(id(9))),
        boot_entry_id: Some(BootEntryId(id(10))),
        one_shot_id: Some(BootEntryId::LOCAL),
        loader_set: Some("ipxe-2".into()),
        loader: Some(LoaderKind::Ipxe),
        quota_bytes: Some(20 << 30),
        created_at: AT,
        revision: 3,
        data_disks: vec![ImageId(id(20)), ImageId(id(21))],
        given_disks: vec![ImageId(id(21))],
    }
}

pub fn boot_entry() -> BootEntryRecord {
    BootEntryRecord {
        id: BootEntryId(id(10)),
        name: "installer".into(),
        kind: EntryKind::Kernel,
        kernel: "debian/linux".into(),
        initrds: vec!["debian/initrd.gz".into()],
        command_line: "priority=low".into(),
        attach_disk: true,
        script: "#!ipxe".into(),
        created_at: AT,
        revision: 2,
    }
}

pub fn group() -> GroupRecord {
    GroupRecord {
        id: GroupId(id(9)),
        name: "row-1".into(),
        boot_entry_id: Some(BootEntryId(id(10))),
        loader_set: Some("ipxe-2".into()),
        loader: Some(LoaderKind::Snponly),
        created_at: AT,
        revision: 4,
        options: vec![OptionRecord {
            code: 42,
            kind: OptionKind::Addresses,
            value: "10.77.0.3".into(),
        }],
        channel: Channel::Test,
    }
}

pub fn firmware() -> FirmwareRecord {
    FirmwareRecord {
        id: FirmwareId(id(12)),
        kind: FirmwareKind::Model {
            oui: [0x52, 0x54, 0],
            vendor_class: "PXEClient:Arch:00007:UNDI:003016".into(),
        },
        form: Some(OfferForm::LoadNow),
        loader: Some(LoaderKind::Ipxe),
        block_size: Some(1024),
        delay_ms: Some(1000),
        pace: Some(2048),
        pinned: true,
        worked: 7,
        failed: 2,
        failed_since: 1,
        last_worked_at: Some(AT),
        last_failed_at: None,
        revision: 3,
    }
}

pub fn image() -> ImageRecord {
    ImageRecord {
        id: ImageId(id(2)),
        name: "debian-13".into(),
        state: ImageState::Failed,
        size_bytes: 8 << 30,
        created_at: AT,
        error: Some("the connection ended".into()),
        versions: vec![
            StoredVersion {
                id: VersionId(id(2)),
                number: 1,
                parent: None,
                comment: String::new(),
                author: "anna".into(),
                created_at: AT,
                allocated_bytes: 2 << 30,
                sha256: Some([0xab; 32]),
                snapshot_of: None,
                is_scheduled: false,
            },
            StoredVersion {
                id: VersionId(id(13)),
                number: 3,
                parent: Some(VersionId(id(2))),
                comment: "updates of May".into(),
                author: "otto".into(),
                created_at: AT.plus_seconds(60),
                allocated_bytes: 1 << 20,
                sha256: Some([0xcd; 32]),
                snapshot_of: Some(ClientId(id(1))),
                is_scheduled: true,
            },
        ],
        numbered: 3,
        channels: StoredChannels {
            maintenance: VersionId(id(13)),
            ..StoredChannels::all_at(VersionId(id(2)))
        },
        previous: Some(VersionId(id(13))),
        superclient: Some(ClientId(id(1))),
        is_private: true,
        revision: 2,
    }
}

pub fn lease() -> LeaseRecord {
    LeaseRecord {
        scope: "lab1/br0".into(),
        address: Ipv4Addr::new(10, 77, 0, 100),
        mac: MAC,
        client_id: vec![1, 0x52, 0x54, 0, 0x12, 0x34, 0x56],
        hostname: Some("pc-07".into()),
        state: LeaseState::Released,
        starts_at: AT,
        ends_at: AT.plus_seconds(3600),
    }
}

pub fn scope() -> ScopeRecord {
    ScopeRecord {
        name: "room-2".into(),
        subnet: Some((Ipv4Addr::new(10, 20, 0, 0), 24)),
        ranges: vec![(Ipv4Addr::new(10, 20, 0, 50), Ipv4Addr::new(10, 20, 0, 99))],
        exclusions: vec![(Ipv4Addr::new(10, 20, 0, 60), Ipv4Addr::new(10, 20, 0, 60))],
        router: Some(Ipv4Addr::new(10, 20, 0, 1)),
        dns: vec![Ipv4Addr::new(10, 20, 0, 2)],
        domain: Some("lab.example".into()),
        lease_seconds: Some(7200),
        options: vec![OptionRecord {
            code: 42,
            kind: OptionKind::Addresses,
            value: "10.20.0.3".into(),
        }],
        probe: true,
        revision: 2,
    }
}

pub fn reservation() -> ReservationRecord {
    ReservationRecord {
        id: ReservationId(id(9)),
        scope: "lab1/br0".into(),
        mac: MAC,
        address: Ipv4Addr::new(10, 77, 0, 7),
        hostname: Some("pc-07".into()),
        options: vec![OptionRecord {
            code: 26,
            kind: OptionKind::U16,
            value: "1400".into(),
        }],
        created_at: AT,
        revision: 1,
    }
}

pub fn boot() -> BootRecord {
    BootRecord {
        id: BootId(id(4)),
        client_id: Some(ClientId(id(1))),
        mac: MAC,
        address: Some(Ipv4Addr::new(10, 77, 0, 100)),
        state: BootState::Stopped,
        started_at: AT,
        ended_at: Some(AT.plus_seconds(9)),
        hops: vec![HopRecord {
            hop: Hop::Disk,
            state: HopState::Failed,
            started_at: Some(AT),
            finished_at: Some(AT.plus_seconds(9)),
        }],
        cause: Some(CauseRecord {
            code: "no_image".into(),
            title: "No image".into(),
            hint: "Choose one".into(),
        }),
        facts: Some(FactsRecord {
            hostname: Some("pc-07".into()),
            kernel: Some("6.12.0".into()),
            link_mbps: Some(1000),
            disk_read_bytes_per_second: Some(100_000_000),
            disk_write_bytes_per_second: Some(50_000_000),
            root: Some("/dev/sda1 ext4 rw".into()),
            memory_bytes: Some(1 << 30),
            uptime_seconds: Some(4.25),
        }),
        notes: vec![NoteRecord {
            at: AT,
            hop: Hop::Dhcp,
            text: "ACK 10.77.0.100".into(),
        }],
    }
}

pub fn user() -> UserRecord {
    UserRecord {
        id: UserId(id(5)),
        name: "admin".into(),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
        role: Role::Admin,
        created_at: AT,
        revision: 1,
    }
}

pub fn session() -> SessionRecord {
    SessionRecord {
        id: SessionId(id(6)),
        user_id: UserId(id(5)),
        created_at: AT,
        expires_at: AT.plus_seconds(86_400),
        generation: 7,
        refresh_hash: [0xcd; 32],
        refreshed_at: AT.plus_seconds(60),
        address: Some("10.77.0.9".into()),
        agent: Some("Firefox".into()),
    }
}

pub fn token() -> TokenRecord {
    TokenRecord {
        id: TokenId(id(7)),
        user_id: UserId(id(5)),
        name: "ci".into(),
        role: Role::Operator,
        secret_hash: [0xef; 32],
        created_at: AT,
        expires_at: AT.plus_seconds(86_400),
    }
}

pub fn audit() -> AuditRecord {
    AuditRecord {
        seq: 3,
        body: "{\"action\":\"client.create\"}".into(),
        hash: [0x12; 32],
    }
}

pub fn audit_head() -> AuditHeadRecord {
    AuditHeadRecord {
        seq: 3,
        hash: [0x12; 32],
    }
}

pub fn job() -> JobRecord {
    JobRecord {
        id: JobId(id(8)),
        kind: "image.verify".into(),
        title: "Check the image debian-13".into(),
        state: JobState::Failed,
        actor: "{}".into(),
        work: "{}".into(),
        created_at: AT,
        started_at: Some(AT),
        finished_at: Some(AT.plus_seconds(3)),
        unit: JobUnit::Bytes,
        done: 512,
        total: Some(1024),
        cancel_requested: true,
        items: vec![JobItemRecord {
            id: "1".into(),
            name: "pc-07".into(),
            state: JobState::Succeeded,
            problem: Some("{}".into()),
        }],
        result: Some("{}".into()),
        problem: Some("{}".into()),
        log: vec![JobLineRecord {
            at: AT,
            text: "begun".into(),
        }],
        revision: 4,
    }
}

pub fn idempotency() -> IdempotencyRecord {
    IdempotencyRecord {
        id: [0x34; 32],
        caller: format!("user:{}", id(5)),
        role: Role::Operator,
        fingerprint: [0x56; 32],
        created_at: AT,
        answer: Some(KeptAnswerRecord {
            status: 201,
            headers: vec![("etag".into(), "\"1\"".into())],
            body: b"{}".to_vec(),
        }),
    }
}

pub fn storage_sample() -> StorageSampleRecord {
    StorageSampleRecord {
        hour: 498_676,
        total_bytes: 1 << 40,
        free_bytes: 123_456_789_012,
    }
}

pub fn snapshots_due() -> SnapshotsDueRecord {
    SnapshotsDueRecord {
        every_minutes: 1440,
        at_minute: 180,
        seen: AT,
        due: vec![(ClientId(id(1)), AT.plus_seconds(60))],
    }
}

pub fn settings_revision() -> SettingsRevisionRecord {
    SettingsRevisionRecord {
        number: 7,
        at: AT,
        actor: "{}".into(),
        changes: vec![SettingChangeRecord {
            key: "clients.unknown".into(),
            before: None,
            after: Some("adopt".into()),
        }],
        state: RevisionState::Undone,
        note: Some("undone by change 8".into()),
        undoes: Some(6),
    }
}

pub fn setting() -> SettingRecord {
    SettingRecord {
        key: "clients.unknown".into(),
        value: "adopt".into(),
        updated_at: AT,
    }
}
