//! Loader sets: a line each, and one with its files.

use super::{Row, bytes, fields, or_dash, table};
use types::{LoaderChoiceView, LoaderPlatform, LoaderSetView, LoaderSource};

impl Row for LoaderSetView {
    const HEAD: &'static [&'static str] = &[
        "NAME", "SOURCE", "FILES", "SIZE", "FOR", "SIGNED", "DEFAULT",
    ];

    fn cells(&self) -> Vec<String> {
        let names = |only: fn(&LoaderChoiceView) -> bool| {
            let mut all: Vec<_> = self.gives.iter().filter(|g| only(g)).collect();
            all.dedup_by_key(|g| g.platform);
            let names: Vec<_> = all.iter().map(|g| platform(g.platform)).collect();
            or_dash(Some(names.join(", ")).filter(|n| !n.is_empty()))
        };
        vec![
            self.name.clone(),
            source(self).into(),
            self.file_count.to_string(),
            bytes(self.size_bytes),
            names(|_| true),
            names(|g| g.signed),
            if self.is_default { "yes" } else { "-" }.into(),
        ]
    }
}

/// One loader set.
pub fn loader_set(s: &LoaderSetView) -> String {
    let facts = fields(&[
        ("name", s.name.clone()),
        ("source", source(s).into()),
        ("added", or_dash(s.added_at)),
        ("default", if s.is_default { "yes" } else { "no" }.into()),
    ]);
    let gives = s.gives.iter().map(|g| {
        let signed = if g.signed { "signed" } else { "-" };
        vec![
            platform(g.platform).into(),
            g.kind.to_string(),
            g.file.clone(),
            signed.into(),
        ]
    });
    let files = s.files.iter();
    let files = files.map(|f| vec![f.path.clone(), bytes(f.size_bytes), f.sha256.clone()]);
    let gives = table(&["FOR", "KIND", "GIVES", "SECURE BOOT"], gives.collect());
    let files = table(&["FILE", "SIZE", "SHA-256"], files.collect());
    format!("{facts}\n{gives}\n{files}")
}

fn source(s: &LoaderSetView) -> &'static str {
    match s.source {
        LoaderSource::BuiltIn => "distribution",
        LoaderSource::Uploaded => "uploaded",
    }
}

fn platform(platform: LoaderPlatform) -> &'static str {
    match platform {
        LoaderPlatform::Bios => "BIOS",
        LoaderPlatform::Ia32 => "UEFI ia32",
        LoaderPlatform::X64 => "UEFI x64",
        LoaderPlatform::Arm64 => "UEFI arm64",
    }
}
