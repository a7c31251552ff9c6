//! Sessions on a target that has several units.

use super::tests::{Got, Rig, read10, write10};
use super::*;
use crate::iscsi::{
    bytes::{be32, be64},
    scsi::Unit,
    testing::export_with,
};
use std::sync::Arc;

/// A system disk of 4096 blocks, and data disks of 2048 and 1024.
fn units() -> Vec<Arc<Unit>> {
    Unit::all(&export_with(4096, &[2048, 1024]), |_| None)
}

fn rig() -> Rig {
    Rig::on(&units(), 1, |_| ())
}

/// The status of a command, and its sense key with the additional code.
fn status_of(got: &[Got]) -> (u8, Option<(u8, u8)>) {
    let (header, data) = got.last().expect("a response");
    let sense = data.get(2..);
    (header[3], sense.map(|s| (s[2] & 0x0f, s[12])))
}

fn data_of(got: &[Got]) -> Vec<u8> {
    got.iter().flat_map(|(_, data)| data.clone()).collect()
}

fn inquiry(rig: &mut Rig, page: Option<u8>) -> Vec<u8> {
    let cdb = [0x12, page.is_some().into(), page.unwrap_or(0), 0, 255, 0];
    data_of(&rig.command(&cdb, 255, 0, true, &[]))
}

const TEST_UNIT_READY: [u8; 6] = [0; 6];
/// Unit attention; power on or reset occurred.
const RESET: (u8, u8) = (0x06, 0x29);
const CHECK_CONDITION: u8 = 0x02;
const RESERVATION_CONFLICT: u8 = 0x18;

#[test]
fn report_luns_lists_all_units_whichever_is_asked() {
    let mut rig = rig();
    for lun in 0..3 {
        rig.lun = lun;
        let cdb = [0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        let list = data_of(&rig.command(&cdb, 256, 0, true, &[]));
        assert_eq!(be32(&list, 0), 24);
        let luns: Vec<_> = (0..3).map(|i| be64(&list, 8 + 8 * i)).collect();
        assert_eq!(luns, [0, 1 << 48, 2 << 48]);
    }
}

#[test]
fn each_unit_has_a_size_a_serial_and_an_identifier_of_its_own() {
    let mut rig = rig();
    let mut seen = Vec::new();
    for lun in 0..3 {
        rig.lun = lun;
        assert_eq!(inquiry(&mut rig, None)[0], 0, "a disk that is there");
        let serial = inquiry(&mut rig, Some(0x80))[4..].to_vec();
        let naa = be64(&inquiry(&mut rig, Some(0x83)), 8);
        let capacity = data_of(&rig.command(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8, 0, true, &[]));
        seen.push((
            String::from_utf8(serial).unwrap(),
            naa,
            be32(&capacity, 0) + 1,
        ));
    }
    let naa = 0x3000_0000_0000_0001;
    let expected = [
        ("S1", naa, 4096),
        ("D1", naa + 1, 2048),
        ("D2", naa + 2, 1024),
    ];
    assert_eq!(seen, expected.map(|(s, n, b)| (s.to_owned(), n, b)));
}

#[test]
fn what_is_written_to_one_unit_is_there_alone() {
    let mut rig = rig();
    for lun in 0..3 {
        rig.lun = lun;
        let data = [lun as u8 + 1; 1024];
        let got = rig.command(&write10(8, 2), 0, 1024, true, &data);
        assert_eq!(status_of(&got).0, status::GOOD);
    }
    for lun in 0..3 {
        rig.lun = lun;
        let got = rig.command(&read10(8, 2), 1024, 0, true, &[]);
        assert_eq!(data_of(&got), [lun as u8 + 1; 1024]);
    }
    // Past the end of the shortest, which is within the others.
    rig.lun = 2;
    let past = [0x28, 0, 0, 0, 4, 0, 0, 0, 1, 0];
    let got = rig.command(&past, 512, 0, true, &[]);
    assert_eq!(status_of(&got).0, CHECK_CONDITION);
    rig.lun = 1;
    let got = rig.command(&past, 512, 0, true, &[]);
    assert_eq!(data_of(&got), [0; 512]);
}

#[test]
fn a_unit_that_is_not_there_is_told_as_such() {
    let mut rig = rig();
    rig.lun = 3;
    assert_eq!(inquiry(&mut rig, None)[0], 0x7f, "no device");
    for cdb in [&TEST_UNIT_READY[..], &read10(0, 1), &write10(0, 1)] {
        let got = rig.command(cdb, 512, 0, true, &[]);
        // Illegal request; logical unit not supported.
        assert_eq!(status_of(&got), (CHECK_CONDITION, Some((0x05, 0x25))));
    }
    let got = manage(&mut rig, TaskFunction::LogicalUnitReset, 0);
    assert_eq!(got, 2, "no such unit");
}

fn manage(rig: &mut Rig, function: TaskFunction, referenced_tag: u32) -> u8 {
    let request = Request::TaskManagement {
        function,
        referenced_tag,
        referenced_cmd_sn: 0,
    };
    let pdu = rig.pdu(request);
    let (_, got) = rig.send(&pdu, &[]);
    got[0].0[2]
}

#[test]
fn a_reset_is_of_its_unit_alone_and_one_of_the_target_of_all() {
    let units = units();
    let mut other = Rig::on(&units, 2, |_| ());
    let mut rig = Rig::on(&units, 1, |params| params.initial_r2t = true);
    // A write on each unit that waits for its data.
    for lun in 0..2 {
        rig.lun = lun;
        rig.command(&write10(0, 1), 0, 512, true, &[]);
    }
    let (first, second) = (rig.itt - 1, rig.itt);
    rig.lun = 0;
    assert_eq!(
        manage(&mut rig, TaskFunction::AbortTask, second),
        1,
        "it is not on unit 0"
    );
    rig.lun = 1;
    assert_eq!(manage(&mut rig, TaskFunction::LogicalUnitReset, 0), 0);
    let waiting: Vec<_> = rig.session.tasks.iter().map(|task| task.itt).collect();
    assert_eq!(waiting, [first]);
    let mut finds = |lun| {
        other.lun = lun;
        status_of(&other.command(&TEST_UNIT_READY, 0, 0, true, &[]))
    };
    assert_eq!(finds(0), (status::GOOD, None));
    assert_eq!(finds(1), (CHECK_CONDITION, Some(RESET)));
    assert_eq!(finds(1), (status::GOOD, None), "told once");
    rig.lun = 0;
    assert_eq!(manage(&mut rig, TaskFunction::TargetWarmReset, 0), 0);
    assert!(rig.session.tasks.is_empty());
    for lun in 0..3 {
        assert_eq!(finds(lun), (CHECK_CONDITION, Some(RESET)));
    }
}

#[test]
fn a_reservation_is_of_its_unit_alone() {
    let units = units();
    let [mut one, mut other] = [1, 2].map(|isid| Rig::on(&units, isid, |_| ()));
    one.lun = 1;
    let got = one.command(&[0x16, 0, 0, 0, 0, 0], 0, 0, true, &[]);
    assert_eq!(status_of(&got).0, status::GOOD);
    for (lun, expected) in [
        (0, status::GOOD),
        (1, RESERVATION_CONFLICT),
        (2, status::GOOD),
    ] {
        other.lun = lun;
        let got = other.command(&read10(0, 1), 512, 0, true, &[]);
        assert_eq!(got[0].0[3], expected, "unit {lun}");
    }
}

#[test]
fn sessions_share_units_until_the_disks_are_others() {
    let export = export_with(4096, &[2048]);
    let first = Unit::all(&export, |_| None);
    let again = Unit::all(&export, |lun| first.get(usize::from(lun)).cloned());
    assert!(first.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(a, b)));
    // The same system disk alone: REPORT LUNS must not list what is not there.
    let alone = export.unit(0).unwrap();
    let alone = Unit::all(&alone, |lun| first.get(usize::from(lun)).cloned());
    assert!(alone.len() == 1 && !Arc::ptr_eq(&alone[0], &first[0]));
}
