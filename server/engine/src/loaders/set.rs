//! A loader set: which files it has and where they lie. Scanned into memory, so that the boot planes
//! ask no disk which file a machine gets.

use super::choose::{Choice, choose};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use types::{LoaderChoiceView, LoaderKind, LoaderPlatform, LoaderSource, Timestamp};

/// The set of Debian's package `ipxe`.
pub const DEBIAN: &str = "debian";
/// The set of Debian's packages `shim-signed` and `grub-efi-amd64-signed`: what Secure Boot takes.
pub const DEBIAN_SIGNED: &str = "debian-signed";
/// Names of uploaded sets are others.
pub const BUILT_IN: [&str; 2] = [DEBIAN, DEBIAN_SIGNED];

/// Where the distribution's packages put their files.
pub(super) struct Distribution {
    /// Of the package `ipxe`.
    pub ipxe: PathBuf,
    /// The names under which signed files are served, and where they lie.
    pub signed: Vec<(&'static str, PathBuf)>,
}

impl Default for Distribution {
    fn default() -> Self {
        let shim = Path::new("/usr/lib/shim");
        let grub = Path::new("/usr/lib/grub/x86_64-efi-signed");
        Distribution {
            ipxe: "/usr/lib/ipxe".into(),
            // The shim loads `grubx64.efi` from beside itself, and `mmx64.efi` when a key is to be enrolled.
            signed: vec![
                ("shimx64.efi", shim.join("shimx64.efi.signed")),
                ("mmx64.efi", shim.join("mmx64.efi.signed")),
                ("grubx64.efi", grub.join("grubnetx64.efi.signed")),
            ],
        }
    }
}

/// What of the package `ipxe` firmware can start; its ROM images and pictures of disks are for others.
const STARTED: [&str; 5] = ["kpxe", "kkpxe", "pxe", "efi", "lkrn"];

impl Distribution {
    /// The sets whose packages are installed now.
    pub fn sets(&self) -> Vec<Set> {
        let mut ipxe = BTreeMap::new();
        collect(&self.ipxe, "", 2, &mut ipxe);
        ipxe.retain(|name, _| {
            let end = name.rsplit_once('.').map(|(_, end)| end);
            end.is_some_and(|end| STARTED.contains(&end))
        });
        let signed = self.signed.iter();
        let signed = signed.filter(|(_, place)| place.is_file());
        let signed = signed.map(|(name, place)| ((*name).to_owned(), place.clone()));
        let named = |name: &str, files| Set {
            name: name.into(),
            source: LoaderSource::BuiltIn,
            added_at: None,
            files,
        };
        let both = [named(DEBIAN, ipxe), named(DEBIAN_SIGNED, signed.collect())];
        both.into_iter().filter(|s| !s.files.is_empty()).collect()
    }
}

/// A set as it was when it was last scanned.
#[derive(Debug)]
pub struct Set {
    /// Its name, the first part of the paths under which it is served.
    pub name: String,
    /// Where it comes from.
    pub source: LoaderSource,
    /// When it was uploaded.
    pub added_at: Option<Timestamp>,
    /// Paths in the set, and where each file lies.
    pub files: BTreeMap<String, PathBuf>,
}

/// Parts of the longest path in a set; deeper folders are nobody's.
pub(super) const DEPTH: usize = 8;

impl Set {
    /// The set in a folder of that name below `own`.
    pub(super) fn uploaded(own: &Path, name: &str) -> io::Result<Set> {
        let folder = own.join(name);
        let changed = folder.symlink_metadata()?.modified()?;
        let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut files = BTreeMap::new();
        collect(&folder, "", DEPTH, &mut files);
        // Links may lead out of the folder, and are not served then.
        files.retain(|_, place| {
            let real = place.canonicalize();
            real.is_ok_and(|real| real.starts_with(&folder))
        });
        Ok(Set {
            name: name.into(),
            source: LoaderSource::Uploaded,
            added_at: Some(Timestamp(since.as_micros() as i64)),
            files,
        })
    }

    /// The file that it has for that platform.
    pub fn choice(&self, platform: LoaderPlatform, kind: LoaderKind) -> Option<Choice> {
        choose(|path| self.files.contains_key(path), platform, kind)
    }

    /// What each platform gets.
    pub fn gives(&self) -> Vec<LoaderChoiceView> {
        const PLATFORMS: [LoaderPlatform; 4] = [
            LoaderPlatform::Bios,
            LoaderPlatform::Ia32,
            LoaderPlatform::X64,
            LoaderPlatform::Arm64,
        ];
        const KINDS: [LoaderKind; 2] = [LoaderKind::Snponly, LoaderKind::Ipxe];
        let each = PLATFORMS
            .into_iter()
            .flat_map(|p| KINDS.map(|kind| (p, kind)));
        each.filter_map(|(platform, kind)| {
            let choice = self.choice(platform, kind)?;
            Some(LoaderChoiceView {
                platform,
                kind,
                file: choice.path,
                signed: choice.signed,
            })
        })
        .collect()
    }
}

/// The regular files below a folder, links followed, under their paths from there. What can't be read
/// is left out: it can't be served either.
fn collect(folder: &Path, prefix: &str, depth: usize, into: &mut BTreeMap<String, PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str().filter(|n| !n.starts_with('.')) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        match path.metadata() {
            Ok(meta) if meta.is_file() => drop(into.insert(name, path)),
            Ok(meta) if meta.is_dir() && depth > 1 => {
                collect(&path, &format!("{name}/"), depth - 1, into);
            }
            _ => {}
        }
    }
}
