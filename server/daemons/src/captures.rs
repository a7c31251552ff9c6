//! For tests: packets that were captured, as hex, beside files with what they say. Lines that begin with `#` tell
//! where a packet comes from.

use std::{collections::BTreeMap, path::Path};

/// The bytes of each `NAME.hex` of a folder below the crate, by name.
pub fn packets(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of captures");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let hex = paths.filter(|path| path.extension().is_some_and(|e| e == "hex"));
    hex.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("readable");
        (name.into_owned(), bytes(&text))
    })
    .collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let hex: String = lines.flat_map(str::split_whitespace).collect();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Reads each `NAME.hex` of a folder below the crate with `read` and compares with `NAME.txt`; how
/// many there were. With `NSBOOT_BLESS` set it writes those texts instead.
pub fn compare(folder: &str, read: impl Fn(&[u8]) -> String) -> usize {
    let packets = packets(folder);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for (name, bytes) in &packets {
        let text = read(bytes);
        let expected = folder.join(format!("{name}.txt"));
        if std::env::var_os("NSBOOT_BLESS").is_some() {
            std::fs::write(&expected, &text).expect("writable");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(text, wanted, "{name}");
    }
    packets.len()
}
