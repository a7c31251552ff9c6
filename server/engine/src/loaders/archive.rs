//! Unpacking an uploaded set: an archive becomes a folder of plain files, or is refused. Nothing of it
//! lands outside the folder, and nothing but regular files lands in it.

use super::name::clean;
use crate::{Area, Error, Result};
use flate2::read::MultiGzDecoder;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};
use tar::{Archive, EntryType};

/// The largest file of a set, bytes; TFTP serves none that is larger.
pub(super) const MAX_FILE: u64 = 512 << 20;
/// All files of a set together, bytes.
pub(super) const MAX_SET: u64 = 2 << 30;
/// Files of a set.
const MAX_FILES: usize = 4096;
/// How gzip begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks a tar archive, plain or gzipped, into the empty folder `into`; all of it is on stable storage
/// when this returns. `archive` is read to its end.
///
/// # Errors
/// [`Error::Invalid`] for what is no such archive, has links or names that lead elsewhere, nothing in it,
/// or more than fits; why reading or the file system failed.
pub(super) fn unpack(mut archive: impl Read, into: &Path) -> Result<()> {
    let mut head = [0; 2];
    let len = read_up_to(&mut archive, &mut head).map_err(unreadable)?;
    let whole = head[..len].chain(archive);
    match head == GZIP {
        true => unpack_tar(MultiGzDecoder::new(whole), into),
        false => unpack_tar(whole, into),
    }
}

fn unpack_tar(stream: impl Read, into: &Path) -> Result<()> {
    let mut archive = Archive::new(stream);
    let (mut files, mut room) = (0, MAX_SET);
    let mut folders = vec![into.to_path_buf()];
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let asked = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&asked).into_owned();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            // Folders come with their files.
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            EntryType::Symlink | EntryType::Link => {
                return Err(refused(format!(
                    "{shown:?} is a link; pack the file itself"
                )));
            }
            _ => return Err(refused(format!("{shown:?} is no regular file"))),
        }
        let path = inside(&asked)
            .ok_or_else(|| refused(format!("{shown:?} is no name below a folder")))?;
        files += 1;
        if files > MAX_FILES {
            return Err(refused(format!("it has more than {MAX_FILES} files")));
        }
        if entry.size() > MAX_FILE {
            return Err(refused(format!(
                "{shown:?} is larger than {} MiB",
                MAX_FILE >> 20
            )));
        }
        room = room
            .checked_sub(entry.size())
            .ok_or_else(|| refused(format!("it is larger than {} GiB", MAX_SET >> 30)))?;
        let target = into.join(&path);
        make_folders(&target, into, &mut folders)?;
        let size = entry.size();
        write(&mut entry, size, &target).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => refused(format!("{shown:?} is in it twice")),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => unreadable(e),
            _ => Error::io(format!("writing {}", target.display()))(e),
        })?;
    }
    // What pads the archive, so that whoever sends it is read to the end.
    io::copy(&mut archive.into_inner().take(MAX_SET), &mut io::sink()).map_err(unreadable)?;
    if files == 0 {
        return Err(refused("it has no files".into()));
    }
    folders.iter().try_for_each(|f| sync_folder(f))
}

/// The path that an entry is written to; `tar` writes `./` before names.
fn inside(asked: &[u8]) -> Option<String> {
    let asked = asked.strip_prefix(b"./").unwrap_or(asked);
    let path = clean(asked)?;
    // What had to be cleaned was not meant like that: absolute names, backslashes, doubled slashes.
    (path.as_bytes() == asked && !path.split('/').any(|p| p.starts_with('.'))).then_some(path)
}

fn make_folders(target: &Path, into: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    let parent = target.parent().unwrap_or(into);
    for folder in parent.ancestors().take_while(|f| *f != into) {
        if !made.iter().any(|m| m == folder) {
            made.push(folder.to_path_buf());
        }
    }
    // A file stands where another entry wants a folder.
    fs::create_dir_all(parent).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            refused("it has a file and a folder of one name".into())
        }
        _ => Error::io(format!("making {}", parent.display()))(e),
    })
}

fn write(entry: &mut impl Read, size: u64, target: &Path) -> io::Result<()> {
    let mut file = File::create_new(target)?;
    match io::copy(entry, &mut file)? == size {
        true => file.sync_all(),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    let sync = File::open(folder).and_then(|f| f.sync_all());
    sync.map_err(Error::io(format!("syncing {}", folder.display())))
}

fn read_up_to(stream: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < out.len() {
        match stream.read(&mut out[len..])? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

fn refused(why: String) -> Error {
    Error::invalid(Area::Loader, "file", why)
}

fn unreadable(e: io::Error) -> Error {
    let what = "it can't be read as a tar archive, plain or gzipped";
    refused(format!("{what}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use tar::{Builder, Header};

    /// An archive with these names, written past the checks of whoever packs honestly.
    fn packed(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, bytes) in entries {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().expect("GNU").name[..name.len()].copy_from_slice(name);
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("../../secret").expect("a name");
            }
            header.set_cksum();
            builder.append(&header, *bytes).expect("memory");
        }
        builder.into_inner().expect("memory")
    }

    fn file<'a>(name: &'a str, bytes: &'a [u8]) -> (&'a [u8], EntryType, &'a [u8]) {
        (name.as_bytes(), EntryType::Regular, bytes)
    }

    fn stage() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let into = dir.path().join("a/b/into");
        fs::create_dir_all(&into).expect("a folder");
        (dir, into)
    }

    #[test]
    fn plain_and_gzipped_archives_become_files() {
        let tar = packed(&[
            (b"./", EntryType::Directory, b""),
            file("./ipxe.efi", b"one"),
            file("arm64-efi/ipxe.efi", b"two"),
        ]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).expect("memory");
        for archive in [tar, gzip.finish().expect("memory")] {
            let (_dir, into) = stage();
            unpack(&archive[..], &into).expect("unpacked");
            assert_eq!(fs::read(into.join("ipxe.efi")).expect("there"), b"one");
            let two = fs::read(into.join("arm64-efi/ipxe.efi"));
            assert_eq!(two.expect("there"), b"two");
        }
    }

    #[test]
    fn what_would_lead_out_or_is_no_file_is_refused() {
        let names = [
            "../secret",
            "a/../../secret",
            "/etc/passwd",
            "//etc/passwd",
            "..",
            "a\\..\\b",
            "a//b",
            ".hidden",
            "a/.hidden",
            "./../secret",
            "a\nb",
        ];
        let mut bad: Vec<Vec<u8>> = names.iter().map(|n| packed(&[file(n, b"x")])).collect();
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Fifo,
            EntryType::Char,
            EntryType::Block,
        ] {
            bad.push(packed(&[(b"a", kind, b""), file("a/escaped", b"x")]));
        }
        bad.push(packed(&[file("a", b"x"), file("a", b"y")]));
        bad.push(packed(&[file("a", b"x"), file("a/b", b"y")]));
        bad.push(packed(&[]));
        bad.push(
            b"not an archive at all, but a text that is longer than a block of tar".repeat(16),
        );
        bad.push(Vec::new());
        let whole = packed(&[file("a", &[7; 4096])]);
        bad.push(whole[..2000].to_vec());
        for (i, archive) in bad.iter().enumerate() {
            let (dir, into) = stage();
            let refused = unpack(&archive[..], &into);
            assert!(
                matches!(refused, Err(Error::Invalid { field: "file", .. })),
                "archive {i}: {refused:?}"
            );
            let outside = fs::read_dir(dir.path()).expect("the folder").count();
            assert_eq!(outside, 1, "archive {i}");
            assert_eq!(fs::read_dir(dir.path().join("a")).expect("a").count(), 1);
            assert_eq!(fs::read_dir(dir.path().join("a/b")).expect("b").count(), 1);
        }
    }

    #[test]
    fn a_file_that_says_it_is_too_large_is_refused_before_it_is_read() {
        let mut header = Header::new_gnu();
        header.set_path("huge").expect("a name");
        header.set_size(MAX_FILE + 1);
        header.set_cksum();
        let (_dir, into) = stage();
        let refused = unpack(&header.as_bytes()[..], &into).expect_err("too large");
        assert!(refused.to_string().contains("512 MiB"), "{refused}");
    }
}
