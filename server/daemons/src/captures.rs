//! For tests: packets that were captured, as hex, beside files with what they say.

use std::path::Path;

/// Reads each `NAME.hex` of a folder below the crate with `read` and compares with `NAME.txt`; how
/// many there were. With `NSBOOT_BLESS` set it writes those texts instead.
pub fn compare(folder: &str, read: impl Fn(&[u8]) -> String) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of captures") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|e| e != "hex") {
            continue;
        }
        let hex: String = std::fs::read_to_string(&path)
            .expect("readable")
            .split_whitespace()
            .collect();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
            .collect();
        let text = read(&bytes);
        let expected = path.with_extension("txt");
        if std::env::var_os("NSBOOT_BLESS").is_some() {
            std::fs::write(&expected, &text).expect("writable");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(text, wanted, "{}", path.display());
        seen += 1;
    }
    seen
}
