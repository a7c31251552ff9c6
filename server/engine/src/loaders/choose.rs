//! Which file of a set a machine gets. Pure: names in, a name out.

use types::{LoaderKind, LoaderPlatform};

/// The loader that a set has for a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Its path in the set.
    pub path: String,
    /// A shim whose next stage lies beside it: what Secure Boot takes.
    pub signed: bool,
    /// Whether it ends in GRUB, not in iPXE.
    pub is_grub: bool,
}

/// Whether firmware of that architecture code loads by HTTP (IANA's registry, as [`platform`]).
pub fn by_http(arch: u16) -> bool {
    matches!(arch, 15..=20)
}

/// The platform of an architecture code (RFC 4578, as IANA's registry and the field have it). The
/// RFC's text and its erratum swap 7 and 9, and firmware is of both minds: 7, 8 and 9 are x64.
pub fn platform(arch: u16) -> Option<LoaderPlatform> {
    match arch {
        // 20 is a BIOS that boots by HTTP.
        0 | 20 => Some(LoaderPlatform::Bios),
        // 15 to 19 are the same by HTTP.
        6 | 15 => Some(LoaderPlatform::Ia32),
        7..=9 | 16 | 17 => Some(LoaderPlatform::X64),
        11 | 19 => Some(LoaderPlatform::Arm64),
        _ => None,
    }
}

/// The file of a set for that platform. `has` says whether the set has a path. What is signed goes
/// first: it works with Secure Boot off as well, and DHCP can't see which it is. A set without the
/// asked kind gives the other one, and one without iPXE its GRUB.
pub fn choose(
    has: impl Fn(&str) -> bool,
    platform: LoaderPlatform,
    kind: LoaderKind,
) -> Option<Choice> {
    candidates(platform, kind).into_iter().find_map(|c| {
        let path = c.folder.join(&c.file);
        let beside = c.beside.map(|next| c.folder.join(next));
        let whole = has(&path) && beside.as_deref().is_none_or(&has);
        whole.then(|| Choice {
            path,
            signed: beside.is_some(),
            is_grub: c.is_grub,
        })
    })
}

/// Whether a folder of that name holds files of one platform: it is part of a set, not the set.
pub(super) fn is_platform_folder(name: &str) -> bool {
    let efi = [&X64, &ARM64, &IA32];
    BIOS_FOLDERS.contains(&name) || efi.iter().any(|of| of.folders.contains(&name))
}

struct Candidate {
    folder: Folder,
    file: String,
    /// What the file itself loads next: without it the file is of no use.
    beside: Option<String>,
    is_grub: bool,
}

/// A folder of a set; the empty one is the set itself.
#[derive(Clone, Copy)]
struct Folder(&'static str);

impl Folder {
    fn join(self, name: impl AsRef<str>) -> String {
        match self.0 {
            "" => name.as_ref().to_owned(),
            folder => format!("{folder}/{}", name.as_ref()),
        }
    }
}

/// In the order of preference.
fn candidates(platform: LoaderPlatform, kind: LoaderKind) -> Vec<Candidate> {
    let other = match kind {
        LoaderKind::Snponly => LoaderKind::Ipxe,
        LoaderKind::Ipxe => LoaderKind::Snponly,
    };
    match platform {
        LoaderPlatform::Bios => [kind, other].into_iter().flat_map(bios).collect(),
        LoaderPlatform::Ia32 => efi(&IA32, [kind, other]),
        LoaderPlatform::X64 => efi(&X64, [kind, other]),
        LoaderPlatform::Arm64 => efi(&ARM64, [kind, other]),
    }
}

fn bios(kind: LoaderKind) -> Vec<Candidate> {
    let names: &[&str] = match kind {
        LoaderKind::Snponly => &["undionly.kpxe", "undionly.kkpxe"],
        LoaderKind::Ipxe => &["ipxe.pxe", "ipxe.kpxe", "ipxe.kkpxe"],
    };
    let plain = |folder, name: &&str| Candidate {
        folder: Folder(folder),
        file: (*name).into(),
        beside: None,
        is_grub: false,
    };
    let folders = || [""].into_iter().chain(BIOS_FOLDERS);
    let in_each = |name| folders().map(move |folder| plain(folder, name));
    names.iter().flat_map(in_each).collect()
}

const BIOS_FOLDERS: [&str; 2] = ["bios", "pcbios"];

/// How the files of one UEFI platform are called.
struct Efi {
    /// Folders of this platform only.
    folders: &'static [&'static str],
    /// Whether files without a mark of their platform are for this one.
    is_plain: bool,
    /// Marks in the names of files beside those of other platforms.
    marks: &'static [&'static str],
    /// Microsoft's suffix: `shimx64.efi`. None: nobody signs for it.
    suffix: Option<&'static str>,
}

const X64: Efi = Efi {
    folders: &["x86_64-sb", "x86_64-efi", "x86_64", "x64"],
    is_plain: true,
    marks: &["-x86_64", "-x64", "x64"],
    suffix: Some("x64"),
};
const ARM64: Efi = Efi {
    folders: &["arm64-sb", "arm64-efi", "arm64", "aarch64"],
    is_plain: false,
    marks: &["-arm64", "arm64", "-aarch64", "aa64"],
    suffix: Some("aa64"),
};
const IA32: Efi = Efi {
    folders: &["i386-efi", "ia32-efi", "i386", "ia32"],
    is_plain: false,
    marks: &["-i386", "-ia32", "ia32", "32"],
    suffix: None,
};

fn efi(of: &Efi, kinds: [LoaderKind; 2]) -> Vec<Candidate> {
    let mut all = Vec::new();
    let top = Folder("");
    let own = || of.folders.iter().copied().map(Folder);
    let mut add = |folder, file: String, beside: Option<String>| {
        all.push(Candidate {
            folder,
            is_grub: file.starts_with("shim") || file.starts_with("grub"),
            file,
            beside,
        });
    };
    for kind in kinds {
        let plain = format!("{kind}.efi");
        if let Some(suffix) = of.suffix {
            // The shim's own name picks what it loads: snponly-shimx64.efi loads snponly.efi.
            let shim = format!("{kind}-shim{suffix}.efi");
            for folder in own().chain(of.is_plain.then_some(top)) {
                add(folder, shim.clone(), Some(plain.clone()));
            }
        }
        for folder in own() {
            add(folder, plain.clone(), None);
        }
        for mark in of.marks {
            add(top, format!("{kind}{mark}.efi"), None);
        }
        if of.is_plain {
            add(top, plain, None);
        }
    }
    if let Some(suffix) = of.suffix {
        let (shim, grub) = (format!("shim{suffix}.efi"), format!("grub{suffix}.efi"));
        for folder in own().chain([top]) {
            add(folder, shim.clone(), Some(grub.clone()));
        }
        for folder in own().chain([top]) {
            add(folder, grub.clone(), None);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use LoaderKind::{Ipxe, Snponly};

    const DEBIAN: &[&str] = &[
        "ipxe.efi",
        "ipxe.lkrn",
        "ipxe.pxe",
        "snponly.efi",
        "undionly.kkpxe",
        "undionly.kpxe",
    ];
    const SIGNED: &[&str] = &["grubx64.efi", "mmx64.efi", "shimx64.efi"];
    /// As iPXE's own releases are laid out, and with a shim.
    const RELEASE: &[&str] = &[
        "arm64-efi/snponly-shimaa64.efi",
        "arm64-efi/snponly.efi",
        "arm64-efi/ipxe.efi",
        "i386-efi/ipxe.efi",
        "ipxe-shimx64.efi",
        "ipxe.efi",
        "snponly-shimx64.efi",
        "snponly.efi",
        "undionly.kpxe",
    ];

    fn given(files: &[&str], arch: u16, kind: LoaderKind) -> Option<(String, bool)> {
        let choice = choose(|path| files.contains(&path), platform(arch)?, kind)?;
        Some((choice.path, choice.signed))
    }

    /// Every architecture code up to the newest of IANA's registry, for three sets.
    #[test]
    fn every_architecture_gets_its_file() {
        type Row = (
            &'static [u16],
            LoaderKind,
            [Option<(&'static str, bool)>; 3],
        );
        let plain = |file| Some((file, false));
        let signed = |file| Some((file, true));
        let rows: &[Row] = &[
            (
                &[0, 20],
                Snponly,
                [plain("undionly.kpxe"), None, plain("undionly.kpxe")],
            ),
            (
                &[0, 20],
                Ipxe,
                [plain("ipxe.pxe"), None, plain("undionly.kpxe")],
            ),
            (&[6, 15], Snponly, [None, None, plain("i386-efi/ipxe.efi")]),
            (&[6, 15], Ipxe, [None, None, plain("i386-efi/ipxe.efi")]),
            (
                &[7, 8, 9, 16, 17],
                Snponly,
                [
                    plain("snponly.efi"),
                    signed("shimx64.efi"),
                    signed("snponly-shimx64.efi"),
                ],
            ),
            (
                &[7, 8, 9, 16, 17],
                Ipxe,
                [
                    plain("ipxe.efi"),
                    signed("shimx64.efi"),
                    signed("ipxe-shimx64.efi"),
                ],
            ),
            (
                &[11, 19],
                Snponly,
                [None, None, signed("arm64-efi/snponly-shimaa64.efi")],
            ),
            (&[11, 19], Ipxe, [None, None, plain("arm64-efi/ipxe.efi")]),
        ];
        let mut seen = Vec::new();
        for (archs, kind, want) in rows {
            for arch in *archs {
                seen.push(*arch);
                for (set, want) in [DEBIAN, SIGNED, RELEASE].into_iter().zip(want) {
                    let got = given(set, *arch, *kind);
                    let got = got.as_ref().map(|(path, signed)| (path.as_str(), *signed));
                    assert_eq!(got, *want, "architecture {arch}, {kind}, {set:?}");
                }
            }
        }
        // NEC PC98, Itanium, Alpha, Arc x86, Intel Lean Client, ARM32, RISC-V, s390, MIPS, LoongArch, Pi.
        for arch in (0..=64).filter(|a| !seen.contains(a)) {
            assert_eq!(given(RELEASE, arch, Snponly), None, "architecture {arch}");
        }
    }

    #[test]
    fn a_shim_without_its_next_stage_is_not_given() {
        let lone = &["snponly-shimx64.efi", "shimx64.efi", "ipxe.efi"];
        assert_eq!(given(lone, 7, Snponly), Some(("ipxe.efi".into(), false)));
        assert_eq!(given(&["shimx64.efi"], 7, Snponly), None);
    }

    #[test]
    fn files_of_other_platforms_are_told_by_folder_or_mark() {
        let marked = &["snponly-arm64.efi", "ipxe-i386.efi", "ipxe.efi"];
        let file = |arch| given(marked, arch, Snponly).map(|(path, _)| path);
        assert_eq!(file(11).as_deref(), Some("snponly-arm64.efi"));
        assert_eq!(file(6).as_deref(), Some("ipxe-i386.efi"));
        assert_eq!(file(9).as_deref(), Some("ipxe.efi"));
        // A plain name is a 64-bit PC's, nobody else's.
        assert_eq!(given(&["ipxe.efi"], 11, Ipxe), None);
        assert_eq!(given(&["ipxe.efi"], 6, Ipxe), None);
    }
}
