//! A small iSCSI initiator (RFC 7143): one connection, one command at a time, CHAP, no digests. Tests use it to
//! note what was acknowledged, and benches to have many sessions.

use md5::{Digest, Md5};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// What goes out with a command itself, and what comes back in one piece, bytes.
pub const MOST: usize = 64 * 1024;
const SECTOR: u64 = 512;
const NO_TAG: [u8; 4] = [0xff; 4];

/// Where a disk is, and who opens it.
#[derive(Clone, Debug)]
pub struct Door {
    pub address: SocketAddr,
    pub target: String,
    pub lun: u8,
    pub initiator: String,
    /// User and secret of CHAP.
    pub chap: Option<(String, String)>,
    /// What an answer may take before the session counts as dead.
    pub patience: Duration,
}

impl Door {
    /// What a boot script of NSBoot says.
    #[allow(dead_code)] // benches have no script
    pub fn of_script(script: &str) -> Option<Door> {
        let word = |start: &str| {
            let line = script.lines().find_map(|line| line.strip_prefix(start))?;
            Some(line.split(' ').next()?.to_owned())
        };
        let uri = word("sanboot iscsi:")?;
        let mut parts = uri.splitn(5, ':');
        let (host, _, port) = (parts.next()?, parts.next()?, parts.next()?);
        let target = parts.nth(1)?.to_owned();
        Some(Door {
            address: format!("{host}:{port}").parse().ok()?,
            target,
            lun: 0,
            initiator: word("set initiator-iqn ")?,
            chap: word("set username ").zip(word("set password ")),
            patience: Duration::from_secs(20),
        })
    }
}

/// A session.
pub struct Initiator {
    stream: TcpStream,
    lun: u8,
    command: u32,
    /// The next status that is awaited.
    status: u32,
    tag: u32,
}

struct Pdu {
    head: [u8; 48],
    data: Vec<u8>,
}

impl Pdu {
    fn opcode(&self) -> u8 {
        self.head[0] & 0x3f
    }
    fn number(&self, at: usize) -> u32 {
        number(&self.head, at)
    }
    fn text(&self, key: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.data);
        let mut pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs.find(|(k, _)| *k == key).map(|(_, v)| v.to_owned())
    }
}

impl Initiator {
    /// Logs in, and takes in what the target tells a new session.
    ///
    /// # Errors
    /// When nobody answers, or the login is refused.
    pub fn login(door: &Door) -> io::Result<Initiator> {
        let stream = TcpStream::connect_timeout(&door.address, door.patience)?;
        stream.set_read_timeout(Some(door.patience))?;
        stream.set_write_timeout(Some(door.patience))?;
        stream.set_nodelay(true)?;
        let mut session = Initiator {
            stream,
            lun: door.lun,
            command: 1,
            status: 0,
            tag: 0,
        };
        session.prove(door)?;
        let wanted = format!(
            "HeaderDigest=None\0DataDigest=None\0InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength={MOST}\0\
             FirstBurstLength={MOST}\0MaxRecvDataSegmentLength={MOST}\0"
        );
        let answer = session.ask_login(0x80 | 1 << 2 | 3, &wanted)?;
        if answer.head[1] & 0x83 != 0x83 {
            return Err(broken("the target does not end the login"));
        }
        // A new session hears of it with its first command.
        while let Err(error) = session.scsi(&[0; 16], Way::None) {
            if error.kind() != io::ErrorKind::ResourceBusy {
                return Err(error);
            }
        }
        Ok(session)
    }

    fn prove(&mut self, door: &Door) -> io::Result<()> {
        let (name, target) = (&door.initiator, &door.target);
        let who = format!("InitiatorName={name}\0TargetName={target}\0SessionType=Normal\0");
        let Some((user, secret)) = &door.chap else {
            return self.ask_login(0x81, &(who + "AuthMethod=None\0")).map(drop);
        };
        self.ask_login(0, &(who + "AuthMethod=CHAP\0"))?;
        let answer = self.ask_login(0, "CHAP_A=5\0")?;
        let said = |key| answer.text(key).ok_or_else(|| broken("no challenge"));
        let id: u8 = said("CHAP_I")?.parse().map_err(io::Error::other)?;
        let challenge = unhex(&said("CHAP_C")?).ok_or_else(|| broken("no challenge"))?;
        let mut md5 = Md5::new();
        md5.update([id]);
        md5.update(secret);
        md5.update(challenge);
        let proof: String = md5.finalize().iter().map(|b| format!("{b:02x}")).collect();
        self.ask_login(0x81, &format!("CHAP_N={user}\0CHAP_R=0x{proof}\0"))?;
        Ok(())
    }

    fn ask_login(&mut self, flags: u8, text: &str) -> io::Result<Pdu> {
        let mut head = [0; 48];
        head[0] = 0x43;
        head[1] = flags;
        // A random ISID (type 80h) by its name alone: who logs in again takes the place of its old session.
        head[8..14].copy_from_slice(&[0x80, 0, 0, 0, 0, 1]);
        head[24..28].copy_from_slice(&self.command.to_be_bytes());
        head[28..32].copy_from_slice(&self.status.to_be_bytes());
        self.send(&mut head, text.as_bytes())?;
        let answer = self.receive()?;
        if answer.opcode() != 0x23 || answer.head[36] != 0 {
            let (class, detail) = (answer.head[36], answer.head[37]);
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("login refused: {class:02x}{detail:02x}"),
            ));
        }
        self.status = answer.number(24).wrapping_add(1);
        Ok(answer)
    }

    /// READ CAPACITY (16).
    ///
    /// # Errors
    /// As [`Initiator::write`].
    #[allow(dead_code)] // tests know their disks
    pub fn size_bytes(&mut self) -> io::Result<u64> {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[13]) = (0x9e, 0x10, 32);
        let mut said = [0; 32];
        self.scsi(&cdb, Way::In(&mut said))?;
        let last = said[..8].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        Ok((last + 1) * SECTOR)
    }

    /// Writes whole sectors, at most [`MOST`] bytes.
    ///
    /// # Errors
    /// When the disk refuses ([`io::ErrorKind::Other`]) or the session is dead.
    #[allow(dead_code)] // benches only read
    pub fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.scsi(&cdb(0x8a, offset, data.len()), Way::Out(data))
    }

    /// Reads whole sectors, at most [`MOST`] bytes.
    ///
    /// # Errors
    /// As [`Initiator::write`].
    pub fn read(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.scsi(&cdb(0x88, offset, into.len()), Way::In(into))
    }

    /// Returns once all that was written is safe.
    ///
    /// # Errors
    /// As [`Initiator::write`].
    #[allow(dead_code)] // benches only read
    pub fn flush(&mut self) -> io::Result<()> {
        self.scsi(&cdb(0x91, 0, 0), Way::None)
    }

    /// Gives whole sectors back, which then read as zeros: WRITE SAME (16) with UNMAP.
    ///
    /// # Errors
    /// As [`Initiator::write`].
    #[allow(dead_code)] // benches give nothing back
    pub fn discard(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let mut cdb = cdb(0x93, offset, len);
        cdb[1] = 0x08;
        self.scsi(&cdb, Way::Out(&[0; SECTOR as usize]))
    }

    /// One command to its end. [`io::ErrorKind::ResourceBusy`] is a unit attention: to be asked again.
    fn scsi(&mut self, cdb: &[u8; 16], mut way: Way<'_>) -> io::Result<()> {
        let (flags, expected, out): (u8, usize, &[u8]) = match &way {
            Way::None => (0x81, 0, &[]),
            Way::In(into) => (0xc1, into.len(), &[]),
            Way::Out(data) => (0xa1, data.len(), data),
        };
        self.tag = self.tag.wrapping_add(1);
        let mut head = [0; 48];
        head[0] = 0x01;
        head[1] = flags;
        head[9] = self.lun;
        head[16..20].copy_from_slice(&self.tag.to_be_bytes());
        head[20..24].copy_from_slice(&(expected as u32).to_be_bytes());
        head[24..28].copy_from_slice(&self.command.to_be_bytes());
        head[28..32].copy_from_slice(&self.status.to_be_bytes());
        head[32..].copy_from_slice(cdb);
        self.command = self.command.wrapping_add(1);
        self.send(&mut head, out)?;
        loop {
            let pdu = self.receive()?;
            match pdu.opcode() {
                0x25 => {
                    let at = pdu.number(40) as usize;
                    if let Way::In(into) = &mut way {
                        let place = into.get_mut(at..at + pdu.data.len());
                        place
                            .ok_or_else(|| broken("more than was asked for"))?
                            .copy_from_slice(&pdu.data);
                    }
                    if pdu.head[1] & 1 != 0 {
                        return self.ended(&pdu);
                    }
                }
                0x21 => return self.ended(&pdu),
                0x20 => self.pong(&pdu)?,
                other => return Err(broken(&format!("PDU {other:02x}"))),
            }
        }
    }

    fn ended(&mut self, pdu: &Pdu) -> io::Result<()> {
        self.status = pdu.number(24).wrapping_add(1);
        let key = pdu.data.get(4).map_or(0, |b| b & 0xf);
        match (pdu.head[3], key) {
            (0, _) => Ok(()),
            (2, 6) => Err(io::ErrorKind::ResourceBusy.into()),
            (status, key) => Err(io::Error::other(format!(
                "SCSI status {status:02x}, sense key {key:x}"
            ))),
        }
    }

    fn pong(&mut self, ping: &Pdu) -> io::Result<()> {
        if ping.head[20..24] == NO_TAG {
            return Ok(());
        }
        let mut head = [0; 48];
        head[0] = 0x40;
        head[1] = 0x80;
        head[8..16].copy_from_slice(&ping.head[8..16]);
        head[16..20].copy_from_slice(&NO_TAG);
        head[20..24].copy_from_slice(&ping.head[20..24]);
        head[24..28].copy_from_slice(&self.command.to_be_bytes());
        head[28..32].copy_from_slice(&self.status.to_be_bytes());
        self.send(&mut head, &[])
    }

    fn send(&mut self, head: &mut [u8; 48], data: &[u8]) -> io::Result<()> {
        head[5..8].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
        let padding = data.len().next_multiple_of(4) - data.len();
        self.stream
            .write_all(&[&head[..], data, &[0; 3][..padding]].concat())
    }

    fn receive(&mut self) -> io::Result<Pdu> {
        let mut head = [0; 48];
        self.stream.read_exact(&mut head)?;
        let len = (number(&head, 4) & 0x00ff_ffff) as usize;
        let mut data = vec![0; len.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        data.truncate(len);
        Ok(Pdu { head, data })
    }
}

/// Which way a command's data goes.
enum Way<'a> {
    None,
    In(&'a mut [u8]),
    Out(&'a [u8]),
}

/// A 16-byte command for some sectors.
fn cdb(code: u8, offset: u64, len: usize) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = code;
    cdb[2..10].copy_from_slice(&(offset / SECTOR).to_be_bytes());
    cdb[10..14].copy_from_slice(&((len as u64 / SECTOR) as u32).to_be_bytes());
    cdb
}

fn number(head: &[u8; 48], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
