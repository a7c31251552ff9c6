//! Every combination of who says something, and what each step of the chain says of itself.

use super::*;
use types::{ClientId, ClientState, EntryKind, GroupId, MacAddr, OverlayMode, Timestamp};
use uuid::Uuid;

/// Entries by number; 1 and 2 are the built-in ones. There is every loader set but the removed one.
struct Six(Vec<Arc<BootEntryRecord>>);

impl Known for Six {
    fn get(&self, id: BootEntryId) -> Option<Arc<BootEntryRecord>> {
        self.0.iter().find(|e| e.id == id).cloned()
    }
    fn find(&self, name: &str) -> Option<Arc<BootEntryRecord>> {
        self.0.iter().find(|e| e.name == name).cloned()
    }
    fn has_set(&self, name: &str) -> bool {
        name != "removed"
    }
}

fn id(n: u128) -> BootEntryId {
    BootEntryId(Uuid::from_u128(n))
}

fn known() -> Six {
    let names = ["image", "local", "once", "own", "grouped", "global"];
    let entry = |(n, name): (usize, &&str)| {
        Arc::new(BootEntryRecord {
            id: id(n as u128 + 1),
            name: (*name).into(),
            kind: EntryKind::Script,
            kernel: String::new(),
            initrds: Vec::new(),
            command_line: String::new(),
            attach_disk: false,
            script: "shell".into(),
            created_at: Timestamp(0),
            revision: 1,
        })
    };
    Six(names.iter().enumerate().map(entry).collect())
}

fn client(boot_entry_id: Option<BootEntryId>) -> ClientRecord {
    ClientRecord {
        id: ClientId(Uuid::from_u128(7)),
        name: "pc-07".into(),
        mac: MacAddr([2, 0, 0, 0, 0, 7]),
        state: ClientState::Adopted,
        image_id: None,
        mode: OverlayMode::Reset,
        is_virtual: false,
        chap_secret: store::StoredSecret::Plain(String::new().into()),
        group_id: None,
        boot_entry_id,
        one_shot_id: None,
        loader_set: None,
        loader: None,
        quota_bytes: None,
        data_disks: Vec::new(),
        given_disks: Vec::new(),
        created_at: Timestamp(0),
        revision: 1,
    }
}

fn group(boot_entry_id: Option<BootEntryId>) -> GroupRecord {
    GroupRecord {
        id: GroupId(Uuid::from_u128(8)),
        name: "row-1".into(),
        boot_entry_id,
        loader_set: Some("of-the-group".into()),
        loader: Some(LoaderKind::Snponly),
        created_at: Timestamp(0),
        revision: 1,
        options: Vec::new(),
        channel: types::Channel::Production,
    }
}

fn global(boot_entry: &str) -> Global {
    Global {
        boot_entry: boot_entry.into(),
        loader_set: String::new(),
        loader: None,
    }
}

#[test]
fn the_first_that_says_something_wins_in_all_32_combinations() {
    for bits in 0..32u32 {
        let says = |bit: u32, n: u128| (bits & bit != 0).then(|| id(n));
        let group = (bits & 16 != 0).then(|| group(says(4, 5)));
        let global = global(if bits & 8 != 0 { "global" } else { "" });
        let choice = choose(
            &client(says(2, 4)),
            group.as_ref(),
            &global,
            says(1, 3),
            None,
            &known(),
        )
        .unwrap();
        let want = match bits {
            b if b & 1 != 0 => ("once", RuleLevel::OneShot),
            b if b & 2 != 0 => ("own", RuleLevel::Client),
            b if b & 20 == 20 => ("grouped", RuleLevel::Group),
            b if b & 8 != 0 => ("global", RuleLevel::Global),
            _ => ("image", RuleLevel::BuiltIn),
        };
        let why = &choice.entry_why;
        assert_eq!((why.value.as_str(), why.from), want, "{bits:05b}");
        assert_eq!(choice.entry.name, want.0);
        let deciding: Vec<_> = why.steps.iter().filter(|s| s.decides).collect();
        assert_eq!(deciding.len(), 1);
        assert_eq!(deciding[0].level, want.1);
        let levels: Vec<_> = why.steps.iter().map(|s| s.level).collect();
        assert!(levels.is_sorted() && levels.len() == 5, "{levels:?}");
    }
}

#[test]
fn what_there_is_not_is_passed_over_and_said() {
    let choice = choose(
        &client(Some(id(99))),
        None,
        &global("gone"),
        None,
        None,
        &known(),
    )
    .unwrap();
    assert_eq!(choice.entry.name, "image");
    let said: Vec<_> = choice.entry_why.steps.iter().map(|s| &*s.why).collect();
    assert_eq!(
        said,
        [
            "says nothing",
            "there is none of that name any more; the next choice holds",
            "says nothing",
            "there is none of that name any more; the next choice holds",
            "holds when nobody chose",
        ]
    );
}

#[test]
fn a_loader_is_the_clients_then_the_groups_then_the_one_for_all_then_the_firmwares() {
    let mut own = client(None);
    let in_group = group(None);
    let all = Global {
        loader_set: "for-all".into(),
        loader: Some(LoaderKind::Ipxe),
        ..global("")
    };
    let of = |c: &ClientRecord, g: Option<&GroupRecord>, all: &Global| {
        let choice = choose(c, g, all, None, None, &known()).unwrap();
        (choice.loader_set, choice.loader, choice.loader_why)
    };
    let (set, loader, why) = of(&own, None, &global(""));
    assert_eq!((set, loader, why.from), (None, None, RuleLevel::BuiltIn));
    assert!(why.value.is_empty() && why.steps.iter().filter(|s| s.decides).count() == 1);
    let (set, loader, _) = of(&own, None, &all);
    assert_eq!(
        (set.as_deref(), loader),
        (Some("for-all"), Some(LoaderKind::Ipxe))
    );
    let (set, loader, _) = of(&own, Some(&in_group), &all);
    assert_eq!(
        (set.as_deref(), loader),
        (Some("of-the-group"), Some(LoaderKind::Snponly))
    );
    own.loader_set = Some("own".into());
    own.loader = Some(LoaderKind::Ipxe);
    let (set, loader, why) = of(&own, Some(&in_group), &all);
    assert_eq!(
        (set.as_deref(), loader),
        (Some("own"), Some(LoaderKind::Ipxe))
    );
    let passed: Vec<_> = why.steps.iter().filter(|s| !s.decides).collect();
    assert!(
        passed
            .iter()
            .all(|s| s.why == "the computer's own goes before it")
    );
}

#[test]
fn what_is_pinned_for_its_firmware_goes_before_its_group_and_what_was_learned_after_all() {
    let (own, in_group, all) = (client(None), group(None), global(""));
    let pinned = Some((LoaderKind::Ipxe, true));
    let choice = choose(&own, Some(&in_group), &all, None, pinned, &known()).unwrap();
    assert_eq!(choice.loader, Some(LoaderKind::Ipxe));
    assert_eq!(choice.loader_why.from, RuleLevel::Firmware);
    let learned = Some((LoaderKind::Ipxe, false));
    let choice = choose(&own, Some(&in_group), &all, None, learned, &known()).unwrap();
    assert_eq!(choice.loader, Some(LoaderKind::Snponly));
    let choice = choose(&own, None, &all, None, learned, &known()).unwrap();
    assert_eq!(choice.loader, Some(LoaderKind::Ipxe));
    assert_eq!(choice.loader_why.from, RuleLevel::Firmware);
    let mut own = own;
    own.loader = Some(LoaderKind::Snponly);
    let choice = choose(&own, None, &all, None, pinned, &known()).unwrap();
    assert_eq!(choice.loader_why.from, RuleLevel::Client);
}

#[test]
fn a_loader_set_that_is_gone_leaves_it_to_the_next_choice_and_says_so() {
    let mut own = client(None);
    own.loader_set = Some("removed".into());
    let in_group = group(None);
    let with = |group| choose(&own, group, &global(""), None, None, &known()).unwrap();
    let choice = with(Some(&in_group));
    assert_eq!(choice.loader_set.as_deref(), Some("of-the-group"));
    let first = &choice.loader_set_why.steps[0];
    assert_eq!(
        (first.value.as_deref(), first.decides, first.why.as_str()),
        (
            Some("removed"),
            false,
            "there is none of that name any more; the next choice holds"
        )
    );
    let alone = with(None);
    assert_eq!(alone.loader_set, None);
    assert_eq!(alone.loader_set_why.from, RuleLevel::BuiltIn);
}
