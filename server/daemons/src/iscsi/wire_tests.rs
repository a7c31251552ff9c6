//! Round trips, captured requests beside expected text, and every mutation that chance finds.

use super::*;
use crate::iscsi::{
    reply::{Numbers, Reply, Residual},
    testing::Dice,
};
use proptest::prelude::*;

fn functions() -> impl Strategy<Value = TaskFunction> {
    (0u8..=0x7f).prop_map(TaskFunction::from_code)
}

fn stages() -> impl Strategy<Value = Option<Stage>> {
    (0u8..4).prop_map(Stage::from_bits)
}

prop_compose! {
    fn logins()(
        transit: bool, more: bool, current in stages(), next in stages(), version_min: u8,
        isid: [u8; 6], tsih: u16, cid: u16,
    ) -> Request {
        Request::Login(LoginHeader { transit, more, current, next, version_min, isid, tsih, cid })
    }
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<u32>().prop_map(|ttt| Request::NopOut { ttt }),
        any::<(bool, bool, bool, u32, [u8; 16])>().prop_map(
            |(last, read, write, expected, cdb)| {
                Request::Scsi {
                    last,
                    read,
                    write,
                    expected,
                    cdb,
                }
            }
        ),
        (functions(), any::<(u32, u32)>()).prop_map(|(function, (tag, sn))| {
            Request::TaskManagement {
                function,
                referenced_tag: tag,
                referenced_cmd_sn: sn,
            }
        }),
        logins(),
        any::<(bool, bool, u32)>().prop_map(|(last, more, ttt)| Request::Text { last, more, ttt }),
        any::<(bool, u32, u32, u32)>().prop_map(|(last, ttt, data_sn, offset)| {
            Request::DataOut {
                last,
                ttt,
                data_sn,
                offset,
            }
        }),
        (0u8..0x80, any::<u16>()).prop_map(|(reason, cid)| Request::Logout { reason, cid }),
        (7u8..0x40).prop_map(|opcode| Request::Unsupported { opcode }),
    ]
}

proptest! {
    #[test]
    fn requests_round_trip(
        request in requests(), immediate: bool, lun: u64, itt: u32, cmd_sn: u32, exp_stat_sn: u32,
        len in 0usize..0x100_0000,
    ) {
        let lun = if matches!(request, Request::Login(_)) { 0 } else { lun };
        let pdu = Pdu { immediate, lun, itt, cmd_sn, exp_stat_sn, request };
        let bytes = pdu.encode(len);
        prop_assert_eq!(Pdu::parse(&bytes), pdu);
        prop_assert_eq!(Lengths::of(&bytes), Lengths { ahs: 0, data: len });
    }
}

/// What iPXE and Linux sent in the lab, as hex, beside what it says. Written again byte by byte: what
/// is read of a header is all that counts in it.
#[test]
fn captured_requests_read_as_expected() {
    let seen = crate::captures::compare("src/iscsi/captures", |bytes| {
        let (bhs, data) = bytes.split_first_chunk::<BHS_LEN>().expect("a header");
        let pdu = Pdu::parse(bhs);
        let lengths = Lengths::of(bhs);
        let mut read = *bhs;
        if matches!(pdu.request, Request::Scsi { .. }) {
            // The task attribute: all tasks are done in order.
            read[1] &= !0x07;
        }
        assert_eq!(pdu.encode(lengths.data), read);
        let keys = data[..lengths.data].split(|b| *b == 0);
        let lines: String = keys
            .map(|key| format!("  {}\n", String::from_utf8_lossy(key)))
            .collect();
        format!("{pdu:?}\n{lines}")
    });
    assert!(seen >= 8, "only {seen} captures found");
}

/// A READ (10) of one block.
#[test]
fn a_command_reads_as_expected() {
    let mut bytes = [0; BHS_LEN];
    bytes[..2].copy_from_slice(&[0x01, 0xc1]);
    put32(&mut bytes, 16, 0x0b);
    put32(&mut bytes, 20, 512);
    put32(&mut bytes, 24, 7);
    bytes[32..42].copy_from_slice(&[0x28, 0, 0, 0, 0, 0x10, 0, 0, 1, 0]);
    let pdu = Pdu::parse(&bytes);
    assert_eq!((pdu.itt, pdu.cmd_sn, pdu.immediate), (0x0b, 7, false));
    let Request::Scsi {
        last,
        read,
        write,
        expected,
        cdb,
    } = pdu.request
    else {
        panic!("{pdu:?}");
    };
    assert_eq!(
        (last, read, write, expected, cdb[0]),
        (true, true, false, 512, 0x28)
    );
}

#[test]
fn status_rides_on_the_last_data_in() {
    let n = Numbers {
        stat_sn: 9,
        exp_cmd_sn: 10,
        max_cmd_sn: 20,
    };
    let reply = Reply::DataIn {
        last: true,
        status: Some(Residual::between(1024, 512)),
        itt: 3,
        data_sn: 1,
        offset: 8192,
    };
    let b = reply.encode(n, 512);
    assert_eq!(b[..2], [0x25, 0x83], "F, U and S");
    assert_eq!((be32(&b, 24), be32(&b, 44), be24(&b, 5)), (9, 512, 512));
    let reply = Reply::DataIn {
        last: false,
        status: None,
        itt: 3,
        data_sn: 0,
        offset: 0,
    };
    assert_eq!(reply.encode(n, 512)[..2], [0x25, 0x00]);
}

#[test]
fn two_hundred_thousand_mutations_of_a_header() {
    let mut dice = Dice::new(1);
    for _ in 0..200_000 {
        let mut bytes = [0; BHS_LEN];
        bytes.iter_mut().for_each(|b| *b = dice.roll() as u8);
        let pdu = Pdu::parse(&bytes);
        let again = Pdu::parse(&pdu.encode(0));
        assert_eq!(again.request, pdu.request);
    }
}
