//! Scripts, to the letter.

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
