//! Unpacking an uploaded set: an archive becomes a folder of plain files, or is refused. Nothing of it
//! lands outside the folder, and nothing but regular files lands in it.

use super::{
    name::{MAX_NAME, clean},
    set::DEPTH,
};
use crate::{Area, Error, Result};
use flate2::read::MultiGzDecoder;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};
use tar::{Archive, Entry, EntryType, PaxExtensions};

/// The largest file of a set, bytes; TFTP serves none that is larger.
pub(super) const MAX_FILE: u64 = 512 << 20;
/// All files of a set together, bytes.
pub(super) const MAX_SET: u64 = 2 << 30;
/// Files of a set.
const MAX_FILES: usize = 4096;
/// All that an archive unpacks to, headers and folders with it, bytes.
const MAX_STREAM: u64 = MAX_SET + (64 << 20);
/// What an archive says before one entry (a long name, PAX records), bytes.
const MAX_BEFORE: u64 = 64 << 10;
/// A path in a set, bytes: machines ask for it after the set's name, which has up to 64, and a slash.
const MAX_PATH: usize = MAX_NAME - 65;
/// A name in a folder, bytes, as Linux has it.
const MAX_PART: usize = 255;
/// How gzip begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks a tar archive, plain or gzipped, into the empty folder `into`; all of it is on stable storage
/// when this returns. `archive` is read to its end. Gives how many parts the deepest path has.
///
/// # Errors
/// [`Error::Invalid`] for what is no such archive, has links or names that lead elsewhere, nothing in it,
/// or more than fits; why reading or the file system failed.
pub(super) fn unpack(mut archive: impl Read, into: &Path) -> Result<usize> {
    let mut head = [0; 2];
    let len = read_up_to(&mut archive, &mut head).map_err(unreadable)?;
    let whole = head[..len].chain(archive);
    match head == GZIP {
        true => unpack_tar(MultiGzDecoder::new(whole), into),
        false => unpack_tar(whole, into),
    }
}

fn unpack_tar(stream: impl Read, into: &Path) -> Result<usize> {
    let mut archive = Archive::new(Bounded {
        stream,
        left: MAX_STREAM,
    });
    let (mut files, mut room, mut deepest) = (0, MAX_SET, 0);
    let mut folders = vec![into.to_path_buf()];
    let mut before = Before::default();
    // Raw: else what stands before an entry would be read into memory, however long it is.
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        if before.take_in(&mut entry)? {
            continue;
        }
        let size = entry.size();
        let asked = std::mem::take(&mut before).name_for(&entry)?;
        let shown = shown(&asked);
        if !is_file(entry.header().entry_type(), &shown)? {
            continue;
        }
        let path = inside(&asked)?;
        deepest = deepest.max(path.split('/').count());
        files += 1;
        if files > MAX_FILES {
            return Err(refused(format!("it has more than {MAX_FILES} files")));
        }
        if size > MAX_FILE {
            let most = MAX_FILE >> 20;
            return Err(refused(format!("{shown} is larger than {most} MiB")));
        }
        room = room.checked_sub(size).ok_or_else(too_large)?;
        let target = into.join(&path);
        make_folders(&target, into, &mut folders)?;
        write(&mut entry, size, &target).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => refused(format!("{shown} is in it twice")),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => unreadable(e),
            _ => Error::io(format!("writing {}", target.display()))(e),
        })?;
    }
    // What pads the archive, so that whoever sends it is read to the end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    if files == 0 {
        return Err(refused("it has no files".into()));
    }
    folders.iter().try_for_each(|f| sync_folder(f))?;
    Ok(deepest)
}

/// Whether an entry is a file of the set.
fn is_file(kind: EntryType, shown: &str) -> Result<bool> {
    match kind {
        EntryType::Regular | EntryType::Continuous => Ok(true),
        // Folders come with their files.
        EntryType::Directory | EntryType::XGlobalHeader => Ok(false),
        EntryType::Symlink | EntryType::Link => {
            Err(refused(format!("{shown} is a link; pack the file itself")))
        }
        _ => Err(refused(format!("{shown} is no regular file"))),
    }
}

/// What stands before an entry and is about it: GNU's long name, or records of PAX (POSIX.1-2017, pax, "pax
/// Extended Header").
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Before {
    /// Takes an entry in that is only about the next one; false for any other.
    fn take_in(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = read_before(entry)?;
                if name.last() == Some(&0) {
                    name.pop();
                }
                self.name = Some(name);
            }
            EntryType::XHeader => {
                let records = read_before(entry)?;
                for record in PaxExtensions::new(&records) {
                    let record = record.map_err(unreadable)?;
                    match record.key_bytes() {
                        b"path" => self.name = Some(record.value_bytes().to_vec()),
                        b"size" => self.size = record.value().ok().and_then(|v| v.parse().ok()),
                        key if key.starts_with(b"GNU.sparse.") => {
                            let rule = "it has a file with holes; pack it without --sparse";
                            return Err(refused(rule.into()));
                        }
                        _ => {}
                    }
                }
            }
            // Where a link leads; links are refused.
            EntryType::GNULongLink => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The name of the entry that follows.
    fn name_for(self, entry: &Entry<'_, impl Read>) -> Result<Vec<u8>> {
        let name = self.name.unwrap_or_else(|| entry.path_bytes().into_owned());
        match self.size.is_some_and(|size| size != entry.size()) {
            true => Err(refused(format!("{} has two sizes", shown(&name)))),
            false => Ok(name),
        }
    }
}

fn read_before(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>> {
    if entry.size() > MAX_BEFORE {
        let most = MAX_BEFORE >> 10;
        return Err(refused(format!(
            "what it says before a file, such as a long name, is longer than {most} KiB"
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Ends a stream that goes on and on: a small archive may unpack to anything.
struct Bounded<R> {
    stream: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(out)?;
        self.left = self.left.checked_sub(len as u64).ok_or_else(|| {
            let what = format!("it unpacks to more than {} GiB", MAX_SET >> 30);
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        Ok(len)
    }
}

/// A name in an error, no longer than a line.
fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).chars().take(80).collect();
    format!("{text:?}")
}

/// The path that an entry is written to; `tar` writes `./` before names.
fn inside(asked: &[u8]) -> Result<String> {
    let asked = asked.strip_prefix(b"./").unwrap_or(asked);
    let parts = || asked.split(|b| *b == b'/');
    // One more: a folder around everything is left out.
    if parts().count() > DEPTH + 1 {
        return Err(too_deep(&shown(asked)));
    }
    if asked.len() > MAX_PATH || parts().any(|p| p.len() > MAX_PART) {
        return Err(refused(format!(
            "the name {} is too long; a path has up to {MAX_PATH} bytes and each part up to {MAX_PART}",
            shown(asked)
        )));
    }
    // What had to be cleaned was not meant like that: absolute names, backslashes, doubled slashes.
    let plain = |path: &String| {
        path.as_bytes() == asked && !path.split('/').any(|part| part.starts_with('.'))
    };
    clean(asked)
        .filter(plain)
        .ok_or_else(|| refused(format!("{} is no name below a folder", shown(asked))))
}

/// A file lies deeper than sets are looked through.
pub(super) fn too_deep(what: &str) -> Error {
    let most = DEPTH - 1;
    refused(format!("{what} lies in more than {most} folders"))
}

fn too_large() -> Error {
    refused(format!("it is larger than {} GiB", MAX_SET >> 30))
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

    /// A header of an archive with what follows it, padded to blocks.
    fn member(kind: EntryType, name: &str, body: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_path(name).expect("a name");
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(body);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn pax(key: &str, value: &str) -> Vec<u8> {
        let rest = format!(" {key}={value}\n");
        let len = (1..).find(|n: &usize| n.to_string().len() + rest.len() == *n);
        format!("{}{rest}", len.expect("some length")).into_bytes()
    }

    #[test]
    fn long_names_of_gnu_and_of_pax_are_heeded() {
        let long = format!("{}/{}", "a".repeat(120), "b".repeat(200));
        let mut name = long.clone().into_bytes();
        name.push(0);
        for before in [
            member(EntryType::GNULongName, "././@LongLink", &name),
            member(EntryType::XHeader, "PaxHeaders/x", &pax("path", &long)),
        ] {
            let file = member(EntryType::Regular, "short", b"one");
            let (_dir, into) = stage();
            let deep = unpack(&[before, file].concat()[..], &into).expect("unpacked");
            assert_eq!(deep, 2);
            assert_eq!(fs::read(into.join(&long)).expect("there"), b"one");
        }
    }

    #[test]
    fn what_an_archive_says_before_a_file_is_bounded_before_it_is_read() {
        let file = member(EntryType::Regular, "short", b"one");
        let huge = vec![b'a'; 65 << 10];
        let cases = [
            (member(EntryType::GNULongName, "x", &huge), "64 KiB"),
            (member(EntryType::XHeader, "x", &huge), "64 KiB"),
            (
                member(EntryType::XHeader, "x", &pax("size", "7")),
                "two sizes",
            ),
            (
                member(EntryType::XHeader, "x", &pax("GNU.sparse.major", "1")),
                "holes",
            ),
            (
                member(EntryType::XHeader, "x", &pax("path", &"a/".repeat(20))),
                "folders",
            ),
            (
                member(EntryType::XHeader, "x", &pax("path", &"a".repeat(256))),
                "too long",
            ),
            (
                member(EntryType::XHeader, "x", &pax("path", "../x")),
                "below a folder",
            ),
            // Says that it is long, and ends: it is refused by what it says, before anything is kept of it.
            (
                member(EntryType::GNULongName, "x", &huge)[..512].to_vec(),
                "64 KiB",
            ),
        ];
        for (before, says) in cases {
            let (_dir, into) = stage();
            let refused = unpack(&[before, file.clone()].concat()[..], &into).expect_err(says);
            assert!(refused.to_string().contains(says), "{says}: {refused}");
        }
    }

    #[test]
    fn a_stream_without_an_end_is_given_up() {
        let mut bounded = Bounded {
            stream: io::repeat(0),
            left: 1000,
        };
        let endless = io::copy(&mut bounded, &mut io::sink()).expect_err("endless");
        assert!(endless.to_string().contains("2 GiB"), "{endless}");
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
