//! Damaged files, as chance has it: each is refused or read, and none makes a form panic or run on.

#[path = "../../../tests/formats/craft.rs"]
#[allow(dead_code)] // what only the tests of whole imports need
mod craft;

use super::{Format, HEAD, Layout, Place, Source, copy::MAX_UNIT};
use crate::storage::files::{Files, OsFiles};
use craft::File;
use proptest::prelude::*;

/// A disk of 8 TiB in stretches of a sector would take too long to look through.
const STEPS: usize = 20_000;

/// Each form, and where its tables are.
fn files() -> [(Format, File, [usize; 3]); 6] {
    use craft::*;
    [
        (Format::Qcow2, qcow2(), [L1, L2, 3 * CLUSTER]),
        (Format::Qcow2, qcow2_packed(), [L1, L2, 3 * CLUSTER]),
        (Format::Vmdk, vmdk(), [DESCRIPTION, DIRECTORY, TABLE]),
        (Format::Vmdk, vmdk_packed(), [DIRECTORY, TABLE, 128 * 512]),
        (Format::Vhd, vhd(), [DYNAMIC, BLOCKS, 2560]),
        (Format::Vhdx, vhdx(), [METADATA, ITEMS, BAT]),
    ]
}

fn looked_through(layout: &mut dyn Layout, file: &Source) -> Result<(), TestCaseError> {
    let mut at = 0;
    for _ in 0..STEPS {
        if at >= layout.size() {
            break;
        }
        let Ok((place, len)) = layout.find(file, at) else {
            break;
        };
        prop_assert!(len > 0);
        if let Place::Packed { len, unit, .. } = place {
            prop_assert!(len <= 2 * MAX_UNIT && unit as u64 <= MAX_UNIT);
        }
        at += len;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_damage_makes_a_form_panic(
        which in 0usize..6,
        changes in prop::collection::vec((0usize..4, 0usize..128, any::<u8>()), 1..24),
        cut in 0usize..20,
    ) {
        let (format, mut file, tables) = files()[which].clone();
        for (table, at, byte) in changes {
            let start = if table == 0 { 0 } else { tables[table - 1] };
            file.0[start + at] = byte;
        }
        if cut == 0 {
            file = file.cut(tables[1] + 3);
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = OsFiles::new(dir.path()).unwrap();
        let stored = folder.create("x").unwrap();
        stored.write_at(0, &file.0).unwrap();
        let source = Source::new(stored).unwrap();
        let _ = format.look(&file.0[..HEAD.min(file.0.len())]);
        if let Ok(mut layout) = format.open(&source) {
            looked_through(layout.as_mut(), &source)?;
        }
    }
}
