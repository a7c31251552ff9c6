//! The packet forms of boot information, literally: which fields and options each form has. Which form a
//! machine gets is decided by the engine ([`engine::boot::choices`]).
//!
//! Fields are never overloaded with options (option 52): old boot ROMs mistake them.

use super::wire::{Packet, code};
use engine::boot::{Advice, BootFile, Form};
use std::net::Ipv4Addr;

/// Option 43 for a boot ROM: discovery control (tag 6) with bit 3, "load the named file at once", then
/// the end mark (PXE 2.1 table 2-1; the bit counts only beside a file name).
const LOAD_NOW: [u8; 4] = [6, 1, 8, 255];
/// Option 43 for a Raspberry Pi: discovery control, a prompt `PXE` without a wait (tag 10), and the one
/// entry of a boot menu (tag 9) whose text it compares before it takes an offer for a boot offer.
const RASPBERRY_PI: [u8; 32] =
    *b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";
/// Sub-option 176 of option 175, `no-pxedhcp`: iPXE must not wait for a second, proxy answer.
const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// Puts the boot information into an OFFER or ACK.
pub(super) fn apply(p: &mut Packet, server: Ipv4Addr, advice: &Advice) {
    match advice.form {
        Form::None => {}
        Form::Plain => file(p, server, &advice.file),
        Form::LoadNow => {
            p.push(code::VENDOR_CLASS, b"PXEClient");
            p.push(code::VENDOR_SPECIFIC, &LOAD_NOW);
            file(p, server, &advice.file);
        }
        // A file or option 43 would make it another kind of offer to EDK2.
        Form::AskBootServer => {
            p.push(code::VENDOR_CLASS, b"PXEClient");
            p.siaddr = server;
        }
        Form::Http => {
            p.push(code::VENDOR_CLASS, b"HTTPClient");
            file(p, server, &advice.file);
        }
        Form::Ipxe => {
            p.push(code::IPXE, &IPXE_NO_PROXY);
            file(p, server, &advice.file);
        }
        Form::IpxeProxy => {
            p.push(code::VENDOR_CLASS, b"PXEClient");
            file(p, server, &advice.file);
        }
        Form::RaspberryPi => {
            p.push(code::VENDOR_CLASS, b"PXEClient");
            p.push(code::VENDOR_SPECIFIC, &RASPBERRY_PI);
            p.siaddr = server;
            p.push(code::TFTP_SERVER, server.to_string().as_bytes());
        }
    }
}

/// Puts in what the answer on port 4011 says: the same server and file, in the header first of all.
pub(super) fn boot_server(p: &mut Packet, server: Ipv4Addr, advice: &Advice) {
    let class: &[u8] = match advice.form {
        Form::Http => b"HTTPClient",
        _ => b"PXEClient",
    };
    p.push(code::VENDOR_CLASS, class);
    if advice.form == Form::RaspberryPi {
        p.push(code::VENDOR_SPECIFIC, &RASPBERRY_PI);
    }
    p.set_sname(&server.to_string());
    file(p, server, &advice.file);
}

/// Server and file in the header, and again as options: some firmware reads only one of the two.
fn file(p: &mut Packet, server: Ipv4Addr, file: &BootFile) {
    p.siaddr = server;
    let name = match file {
        BootFile::None => return,
        BootFile::Loader(name) | BootFile::Url(name) => name,
    };
    p.push(code::TFTP_SERVER, server.to_string().as_bytes());
    if name.is_empty() {
        return;
    }
    if !p.set_file(name) {
        tracing::debug!(
            name,
            "the boot file name is longer than the field, only option 67 has it"
        );
    }
    // With its NUL: EDK2 writes one over the byte behind an option that has none.
    let mut terminated = name.clone().into_bytes();
    terminated.push(0);
    p.push(code::BOOT_FILE, &terminated);
}
