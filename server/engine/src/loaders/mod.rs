//! Loaders: the first programs that firmware runs, and other files that the boot plane serves.
//! The distribution's iPXE is built in; a file of the same name in the data folder goes before it.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

/// Where Debian's package `ipxe` puts its files.
const DISTRIBUTION: &str = "/usr/lib/ipxe";
/// Longer names are nobody's.
const MAX_NAME: usize = 512;

/// A loader that is there.
pub struct LoaderFile {
    /// Open for reading.
    pub file: File,
    /// Its size in bytes.
    pub len: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// The name it was found under, cleaned of what firmware adds.
    pub name: String,
}

/// Finds loader files. Never gives anything from outside its folders.
#[derive(Clone)]
pub struct Loaders {
    /// In the order in which they are searched; each canonical.
    roots: Vec<PathBuf>,
}

impl Loaders {
    /// The loaders of this data folder and those of the distribution.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn open(data_dir: &Path) -> crate::Result<Self> {
        let own = data_dir.join("loaders");
        crate::make_private_dir(&own)?;
        Ok(Self::of(&[&own, Path::new(DISTRIBUTION)]))
    }

    fn of(roots: &[&Path]) -> Self {
        // A folder that is not there has no loaders; `ipxe` may be installed later.
        Loaders {
            roots: roots
                .iter()
                .map(|r| r.canonicalize().unwrap_or_else(|_| r.to_path_buf()))
                .collect(),
        }
    }

    /// The file that a machine asks for, however it writes the name: with backslashes, doubled or
    /// leading slashes, a trailing 0xFF or `.0` (some ROMs and servers add them).
    pub fn find(&self, asked: &[u8]) -> Option<LoaderFile> {
        let name = clean(asked)?;
        let candidates = [Some(name.as_str()), name.strip_suffix(".0")];
        candidates
            .into_iter()
            .flatten()
            .find_map(|n| self.roots.iter().find_map(|root| open_below(root, n).ok()))
    }
}

/// The name as a relative path of plain components; None when it can't be one.
fn clean(asked: &[u8]) -> Option<String> {
    let asked = asked.strip_suffix(&[0xff]).unwrap_or(asked);
    if asked.len() > MAX_NAME {
        return None;
    }
    let text = std::str::from_utf8(asked).ok()?.replace('\\', "/");
    if text.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty()).collect();
    let plain = parts.iter().all(|p| {
        let mut c = Path::new(p).components();
        matches!((c.next(), c.next()), (Some(Component::Normal(_)), None))
    });
    (plain && !parts.is_empty()).then(|| parts.join("/"))
}

fn open_below(root: &Path, name: &str) -> io::Result<LoaderFile> {
    // Links are followed, and then must still end below the root.
    let path = root.join(name).canonicalize()?;
    if !path.starts_with(root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(LoaderFile {
        file,
        len: meta.len(),
        modified: meta.modified()?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> (tempfile::TempDir, Loaders) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(dir.path().join("secret"), b"secret").unwrap();
        std::fs::write(root.join("undionly.kpxe"), b"loader").unwrap();
        std::fs::write(root.join("sub/a.efi"), b"efi").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("undionly.kpxe", root.join("alias")).unwrap();
        let loaders = Loaders::of(&[&root]);
        (dir, loaders)
    }

    #[test]
    fn names_are_found_however_firmware_writes_them() {
        let (_dir, loaders) = stage();
        for asked in [
            &b"undionly.kpxe"[..],
            b"/undionly.kpxe",
            b"//undionly.kpxe",
            b"\\undionly.kpxe",
            b"undionly.kpxe\xff",
            b"undionly.kpxe.0",
            b"alias",
        ] {
            assert_eq!(loaders.find(asked).map(|f| f.len), Some(6), "{asked:?}");
        }
        for asked in [&b"sub/a.efi"[..], b"sub\\a.efi", b"/sub//a.efi"] {
            assert_eq!(loaders.find(asked).map(|f| f.len), Some(3), "{asked:?}");
        }
    }

    /// Ways out of a folder, in the spellings that servers have fallen for.
    pub(crate) fn tricks() -> Vec<Vec<u8>> {
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
        let mut all: Vec<Vec<u8>> = vec![
            b"link".to_vec(),
            b"sub".to_vec(),
            b"".to_vec(),
            b"/".to_vec(),
            b".".to_vec(),
            b"..".to_vec(),
            b"./".to_vec(),
            b"/etc/shadow".to_vec(),
            b"\xff".to_vec(),
            b"\xfe\xfd".to_vec(),
            vec![b'a'; 4096],
            b"undionly.kpxe\0.txt".to_vec(),
            b"undionly.kpxe\n".to_vec(),
            b"C:\\windows".to_vec(),
            b"file:///etc/passwd".to_vec(),
        ];
        for up in ups {
            for end in ends {
                all.push(format!("{up}/{end}").into_bytes());
                all.push(format!("sub/{up}/{up}/{end}").into_bytes());
                all.push(format!("/{up}/{up}/{up}/{end}").into_bytes());
            }
        }
        all
    }

    #[test]
    fn nothing_outside_the_folder_is_found() {
        let (_dir, loaders) = stage();
        let tricks = tricks();
        assert!(tricks.len() >= 300);
        for asked in tricks {
            assert!(
                loaders.find(&asked).is_none(),
                "{}",
                String::from_utf8_lossy(&asked)
            );
        }
    }
}
