//! Ways out of a folder, in the spellings that servers have fallen for. For tests: the engine's, and those
//! of the server over real sockets.

/// At least 300 names, of which none may be served from a folder with the file `sub/a.efi` and the link
/// `link` to what lies outside.
pub fn tricks() -> Vec<Vec<u8>> {
    let ups = [
        "..",
        "...",
        "..%2f",
        "%2e%2e",
        "..\\",
        "..;",
        "\u{ff0e}\u{ff0e}",
        "..\u{0}",
        "..%00",
        "..%5c",
        ". .",
        "./..",
        "..%c0%af",
    ];
    let ends = [
        "secret",
        "/secret",
        "//secret",
        "etc/passwd",
        "/etc/passwd",
        "\\etc\\passwd",
        "root/../secret",
        "sub/../../secret",
    ];
    let mut all: Vec<Vec<u8>> = [
        &b"link"[..],
        b"sub",
        b"",
        b"/",
        b".",
        b"..",
        b"./",
        b"/etc/shadow",
        b"\xff",
        b"\xfe\xfd",
        b"undionly.kpxe\0.txt",
        b"undionly.kpxe\n",
        b"C:\\windows",
        b"file:///etc/passwd",
        b"ipxe-1.0/../../secret",
        b"ipxe-1.0/link",
        b"debian/../../secret",
        b"debian-signed/../secret",
        b".upload-1/secret",
        b"/.removed-1/secret",
    ]
    .map(<[u8]>::to_vec)
    .into();
    all.push(vec![b'a'; 4096]);
    for up in ups {
        for end in ends {
            all.push(format!("{up}/{end}").into_bytes());
            all.push(format!("sub/{up}/{up}/{end}").into_bytes());
            all.push(format!("/{up}/{up}/{up}/{end}").into_bytes());
        }
    }
    all
}
