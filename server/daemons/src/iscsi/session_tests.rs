//! Sessions without a socket: requests in, decoded replies out.

use super::*;
use crate::iscsi::{
    bytes::{be24, be32},
    scsi::Unit,
    testing::{Dice, export},
    wire::Bhs,
};
use std::sync::Arc;

/// A session with its outbox, and what an initiator keeps.
pub(super) struct Rig {
    pub(super) session: Session,
    cmd_sn: u32,
    pub(super) itt: u32,
    /// The unit that commands go to.
    pub(super) lun: u64,
}

pub(super) type Got = (Bhs, Vec<u8>);

impl Rig {
    fn new(change: impl FnOnce(&mut Params)) -> Rig {
        Rig::on(&Unit::all(&export(4096), |_| None), 1, change)
    }

    /// A session of its own on these units; `isid` tells it from the others on them.
    pub(super) fn on(units: &[Arc<Unit>], isid: u8, change: impl FnOnce(&mut Params)) -> Rig {
        let mut params = Params {
            their_segment: 8192,
            our_segment: 262_144,
            initial_r2t: false,
            ..Params::default()
        };
        change(&mut params);
        let units = units.iter().map(|unit| unit.join("iqn.i", [isid; 6]));
        let targets = Targets {
            names: vec!["iqn.2026-11.test:a".into()],
            own: Some("iqn.2026-11.test:a".into()),
            portal: "127.0.0.1:3260".into(),
        };
        let session = Session::new(params, units.collect(), targets, 1, 1);
        Rig {
            session,
            cmd_sn: 1,
            itt: 0,
            lun: 0,
        }
    }

    pub(super) fn send(&mut self, pdu: &Pdu, data: &[u8]) -> (Flow, Vec<Got>) {
        let mut wire = Vec::new();
        let mut out = Outbox::new(&mut wire);
        let flow = self.session.handle(pdu, data, &mut out).unwrap();
        out.flush().unwrap();
        (flow, replies(&wire))
    }

    pub(super) fn pdu(&mut self, request: Request) -> Pdu {
        self.itt += 1;
        let cmd_sn = self.cmd_sn;
        self.cmd_sn += 1;
        Pdu {
            immediate: false,
            lun: self.lun << 48,
            itt: self.itt,
            cmd_sn,
            exp_stat_sn: 1,
            request,
        }
    }

    pub(super) fn command(
        &mut self,
        cdb: &[u8],
        read: u32,
        write: u32,
        last: bool,
        data: &[u8],
    ) -> Vec<Got> {
        let mut block = [0; 16];
        block[..cdb.len()].copy_from_slice(cdb);
        let pdu = self.pdu(Request::Scsi {
            last,
            read: read > 0,
            write: write > 0,
            expected: read.max(write),
            cdb: block,
        });
        self.send(&pdu, data).1
    }

    pub(super) fn data_out(
        &mut self,
        ttt: u32,
        data_sn: u32,
        offset: u32,
        last: bool,
        data: &[u8],
    ) -> Vec<Got> {
        let request = Request::DataOut {
            last,
            ttt,
            data_sn,
            offset,
        };
        let itt = self.itt;
        let pdu = Pdu {
            immediate: false,
            lun: self.lun << 48,
            itt,
            cmd_sn: 0,
            exp_stat_sn: 0,
            request,
        };
        self.send(&pdu, data).1
    }
}

fn replies(mut wire: &[u8]) -> Vec<Got> {
    let mut got = Vec::new();
    while let Some((header, rest)) = wire.split_first_chunk::<48>() {
        let len = be24(header, 5) as usize;
        got.push((*header, rest[..len].to_vec()));
        wire = &rest[len.next_multiple_of(4)..];
    }
    assert!(wire.is_empty());
    got
}

pub(super) fn write10(lba: u8, blocks: u8) -> [u8; 10] {
    [0x2a, 0, 0, 0, 0, lba, 0, 0, blocks, 0]
}

pub(super) fn read10(lba: u8, blocks: u8) -> [u8; 10] {
    [0x28, 0, 0, 0, 0, lba, 0, 0, blocks, 0]
}

#[test]
fn immediate_data_is_written_and_read_back_in_segments() {
    let mut rig = Rig::new(|_| ());
    let data: Vec<u8> = (0..20 * 512).map(|i| (i / 512) as u8).collect();
    let got = rig.command(&write10(3, 20), 0, 10_240, true, &data);
    assert_eq!((got.len(), got[0].0[0], got[0].0[3]), (1, 0x21, 0));
    let got = rig.command(&read10(3, 20), 10_240, 0, true, &[]);
    let sizes: Vec<usize> = got.iter().map(|(_, d)| d.len()).collect();
    assert_eq!(sizes, [8192, 2048]);
    assert_eq!(
        (got[0].0[1], got[1].0[1]),
        (0x00, 0x81),
        "status on the last one only"
    );
    assert_eq!(
        got.into_iter().flat_map(|(_, d)| d).collect::<Vec<u8>>(),
        data
    );
    assert!(rig.session.has_read);
}

#[test]
fn unsolicited_and_solicited_data_complete_a_write() {
    let mut rig = Rig::new(|p| (p.first_burst, p.max_burst) = (1024, 2048));
    let data: Vec<u8> = (0..8 * 512).map(|i| (i % 251) as u8).collect();
    assert!(
        rig.command(&write10(0, 8), 0, 4096, false, &data[..512])
            .is_empty()
    );
    let got = rig.data_out(NO_TAG, 0, 512, true, &data[512..1024]);
    let r2t = &got[0].0;
    assert_eq!((r2t[0], be32(r2t, 40), be32(r2t, 44)), (0x31, 1024, 2048));
    let ttt = be32(r2t, 20);
    assert!(
        rig.data_out(ttt, 0, 1024, false, &data[1024..2048])
            .is_empty()
    );
    let got = rig.data_out(ttt, 1, 2048, true, &data[2048..3072]);
    assert_eq!(
        (be32(&got[0].0, 36), be32(&got[0].0, 44)),
        (1, 1024),
        "R2TSN and the rest"
    );
    let got = rig.data_out(be32(&got[0].0, 20), 0, 3072, true, &data[3072..]);
    assert_eq!((got[0].0[0], got[0].0[3]), (0x21, 0));
    let got = rig.command(&read10(0, 8), 4096, 0, true, &[]);
    let read: Vec<u8> = got.into_iter().flat_map(|(_, d)| d).collect();
    assert!(read == data);
}

#[test]
fn wrong_data_sequence_number_tag_or_offset_aborts_the_command() {
    for (ttt_off, sn, offset) in [(1, 0, 0), (0, 7, 0), (0, 0, 512)] {
        let mut rig = Rig::new(|_| ());
        let r2t = rig.command(&write10(0, 2), 0, 1024, true, &[])[0].0;
        let got = rig.data_out(be32(&r2t, 20) + ttt_off, sn, offset, true, &[1; 512]);
        assert_eq!((got[0].0[0], got[0].0[3], got[0].1[4]), (0x21, 2, 0x0b));
        assert!(
            rig.data_out(be32(&r2t, 20), 0, 0, true, &[1; 1024])
                .is_empty(),
            "late data"
        );
    }
}

#[test]
fn residuals_and_errors() {
    let mut rig = Rig::new(|_| ());
    let got = rig.command(&read10(0, 1), 1024, 0, true, &[]);
    assert_eq!((got[0].0[1], be32(&got[0].0, 44)), (0x83, 512), "underflow");
    let got = rig.command(&read10(0, 2), 700, 0, true, &[]);
    assert_eq!(
        (got[0].0[1], be32(&got[0].0, 44), got[0].1.len()),
        (0x85, 324, 700),
        "overflow"
    );
    let beyond = [0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 2, 0];
    let got = rig.command(&beyond, 1024, 0, true, &[]);
    assert_eq!((got[0].0[3], got[0].1[4], got[0].1[14]), (2, 5, 0x21));
}

#[test]
fn commands_out_of_sequence_are_dropped() {
    let mut rig = Rig::new(|_| ());
    rig.cmd_sn = 5;
    assert!(rig.command(&[0], 0, 0, true, &[]).is_empty());
    rig.cmd_sn = 0;
    assert!(rig.command(&[0], 0, 0, true, &[]).is_empty());
    rig.cmd_sn = 1;
    assert_eq!(rig.command(&[0], 0, 0, true, &[]).len(), 1);
}

#[test]
fn a_ping_unanswered_ends_the_session_and_any_request_answers_it() {
    let mut rig = Rig::new(|_| ());
    let mut wire = Vec::new();
    let mut out = Outbox::new(&mut wire);
    assert_eq!(rig.session.idle(&mut out).unwrap(), Flow::Continue);
    drop(out);
    let ping = replies(&wire)[0].0;
    assert_eq!((ping[0], be32(&ping, 16)), (0x20, NO_TAG));
    rig.command(&[0], 0, 0, true, &[]);
    // Firmware that never spoke NOP may wait in a boot menu; it is given up after minutes.
    let mut out = Outbox::new(std::io::sink());
    let silences = (0..100).take_while(|_| rig.session.idle(&mut out).unwrap() == Flow::Continue);
    assert_eq!(silences.count(), 25);
    // One that has answered before is dead when it does not answer.
    let mut answer = rig.pdu(Request::NopOut { ttt: 1 });
    (answer.itt, answer.immediate) = (NO_TAG, true);
    assert_eq!(rig.send(&answer, &[]).1.len(), 0);
    let mut out = Outbox::new(std::io::sink());
    assert_eq!(rig.session.idle(&mut out).unwrap(), Flow::Continue);
    assert_eq!(rig.session.idle(&mut out).unwrap(), Flow::Close);
}

#[test]
fn nop_text_logout_and_nonsense() {
    let mut rig = Rig::new(|_| ());
    let nop = rig.pdu(Request::NopOut { ttt: NO_TAG });
    let got = rig.send(&nop, b"echo").1;
    assert_eq!((got[0].0[0], got[0].1.as_slice()), (0x20, &b"echo"[..]));
    let ask = rig.pdu(Request::Text {
        last: true,
        more: false,
        ttt: NO_TAG,
    });
    let got = rig.send(&ask, b"SendTargets=\0").1;
    let text = b"TargetName=iqn.2026-11.test:a\0TargetAddress=127.0.0.1:3260,1\0";
    assert_eq!((got[0].0[0], got[0].1.as_slice()), (0x24, &text[..]));
    let odd = rig.pdu(Request::Unsupported { opcode: 0x1c });
    assert_eq!(rig.send(&odd, &[]).1[0].0[..3], [0x3f, 0x80, 0x05]);
    let bye = rig.pdu(Request::Logout { reason: 0, cid: 0 });
    let (flow, got) = rig.send(&bye, &[]);
    assert_eq!((flow, got[0].0[0], got[0].0[2]), (Flow::Close, 0x26, 0));
}

/// Headers, command blocks and data from dice: no panic, and the disk is only asked for whole blocks
/// within it (the disk in memory checks that).
#[test]
fn two_hundred_thousand_mutated_requests() {
    let mut dice = Dice::new(3);
    let opcodes = [
        0x00u8, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x16, 0x17, 0x1a, 0x1b, 0x25, 0x28, 0x2a, 0x2e, 0x2f,
        0x34, 0x35, 0x41, 0x42, 0x55, 0x5a, 0x5e, 0x5f, 0x88, 0x89, 0x8a, 0x8b, 0x8f, 0x93, 0x9e,
        0xa0, 0xa3, 0xa8, 0xaa,
    ];
    let mut rig = Rig::new(|_| ());
    let mut out = Outbox::new(std::io::sink());
    for round in 0..200_000u32 {
        if round.is_multiple_of(5000) {
            rig = Rig::new(|p| p.initial_r2t = round.is_multiple_of(10_000));
        }
        let mut cdb = vec![0; 16];
        cdb[0] = opcodes[dice.below(opcodes.len())];
        cdb[8] = dice.below(4) as u8;
        cdb[13] = dice.below(4) as u8;
        dice.mutate(&mut cdb);
        cdb.resize(16, 0);
        let mut data = vec![dice.roll() as u8; dice.below(2048)];
        dice.mutate(&mut data);
        let request = Request::Scsi {
            last: dice.below(2) == 0,
            read: dice.below(2) == 0,
            write: dice.below(2) == 0,
            expected: [data.len() as u32, 512, 1024, 65_536, 0][dice.below(5)],
            cdb: cdb.try_into().unwrap(),
        };
        let mut header = rig.pdu(request).encode(0);
        if dice.below(4) == 0 {
            let at = dice.below(48);
            header[at] = dice.roll() as u8;
        }
        if dice.below(3) == 0 {
            header[0] = dice.below(8) as u8;
        }
        let pdu = Pdu::parse(&header);
        rig.session.handle(&pdu, &data, &mut out).unwrap();
        rig.cmd_sn = rig.session.exp_cmd_sn;
        assert!(rig.session.tasks.len() <= MAX_TASKS as usize);
    }
}
