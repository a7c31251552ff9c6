//! `nsboot image import` and `nsboot image export`: images from files and as files.

use super::{
    CliError,
    address::{Query, at},
    audit,
    connect::Change,
    console::Console,
    error::exit,
    image::open,
    interrupt, job, render,
};
use clap::Args;
use indicatif::ProgressBar;
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use types::{
    CreateUploadParams, ExportFormat, ImageView, ImportImageParams, JobUnit, UploadState,
    UploadView,
};

/// Pauses before an upload goes on whose connection broke, seconds. After a piece that arrived they begin anew.
const PAUSES: [u64; 8] = [1, 1, 2, 4, 8, 15, 30, 30];
/// Between two looks at an upload whose disk is taken out of its file.
const LOOK: Duration = Duration::from_millis(500);
/// Runs of zeros of so many bytes are left out of a file.
const HOLE: usize = 4096;

/// Where a file comes from: one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A disk: raw or ISO, qcow2, VMDK, VHD or VHDX, as it is or compressed by gzip, xz or zstd
    file: Option<PathBuf>,
    /// The server fetches it from there, by http or https, as a job
    #[arg(long)]
    url: Option<String>,
    /// The server reads it from the folder `import` of its data folder, as a job
    #[arg(long)]
    path: Option<String>,
}

#[derive(Args)]
pub struct Import {
    #[command(flatten)]
    source: Source,
    /// Letters, digits, hyphens, dots; computers are given it by this name
    #[arg(long)]
    name: String,
    /// SHA-256 of the file in hex; one that differs is refused
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

#[derive(Args)]
pub struct Export {
    /// Name or id
    image: String,
    /// Where to write it
    file: PathBuf,
    /// raw, qcow2 (what is allocated) or zst (raw, compressed by zstd)
    #[arg(long, default_value = "raw", value_name = "FORMAT", value_parser = format)]
    format: ExportFormat,
    /// The number of a version; that of channel production when it is left out
    #[arg(long, value_name = "NUMBER")]
    version: Option<u32>,
}

fn format(text: &str) -> Result<ExportFormat, String> {
    let mut all = ExportFormat::ALL.into_iter();
    all.find(|f| f.as_str() == text)
        .ok_or_else(|| "raw, qcow2 or zst".into())
}

/// Makes an image of a file, which this command sends or the server fetches.
///
/// # Errors
/// As the server says; when the file can't be read.
pub fn import(import: Import, console: &Console) -> Result<(), CliError> {
    let Some(file) = import.source.file else {
        let params = ImportImageParams {
            name: import.name,
            url: import.source.url,
            path: import.source.path,
            sha256: import.sha256,
        };
        let change = Change::new("POST", "/api/v1/images/actions/import").body(&params)?;
        return job::begin(change, console);
    };
    let (file, size_bytes) = open(&file, "Name a file that you may read.")?;
    let params = CreateUploadParams {
        name: import.name,
        size_bytes,
        sha256: import.sha256,
    };
    let change = Change::new("POST", "/api/v1/uploads").body(&params)?;
    let Some(upload) = console.change::<UploadView>(change)? else {
        return Ok(());
    };
    interrupt::note(Some(format!(
        "; the server waits an hour for the rest: nsboot job cancel {} ends that",
        upload.job_id
    )));
    let bar = console.progress(JobUnit::Bytes, Some(size_bytes));
    bar.set_message(render::harmless(&upload.name));
    let upload = send(&file, upload, &bar, console)?;
    bar.finish_and_clear();
    interrupt::note(None);
    if let Some(problem) = upload.problem {
        return Err(CliError::Problem(Box::new(problem)));
    }
    let image: ImageView = console
        .server
        .get(&at("images", &upload.image_id.to_string()))?;
    console.print(&image, || render::list(std::slice::from_ref(&image)))
}

/// Sends the file until the upload is over, over as many connections as it takes.
fn send(
    file: &File,
    mut upload: UploadView,
    bar: &ProgressBar,
    console: &Console,
) -> Result<UploadView, CliError> {
    let path = at("uploads", &upload.id.to_string());
    let mut pauses = PAUSES.iter();
    while !upload.state.is_over() {
        bar.set_position(upload.offset_bytes);
        let asked = match upload.state {
            UploadState::Receiving => rest(file, upload.offset_bytes).and_then(|rest| {
                let left = upload.size_bytes - upload.offset_bytes;
                let rest = bar.wrap_read(rest);
                console
                    .server
                    .send_rest(&path, rest, upload.offset_bytes, left)
            }),
            _ => {
                thread::sleep(LOOK);
                console.server.get(&path)
            }
        };
        let before = upload.offset_bytes;
        upload = match asked {
            Ok(upload) => upload,
            Err(why) => match look(&path, why, &mut pauses, console)? {
                Some(upload) => upload,
                None => continue,
            },
        };
        if upload.offset_bytes > before {
            pauses = PAUSES.iter();
        }
    }
    Ok(upload)
}

/// After a failure: how far the upload is, if that can be asked; None when it has to be tried again.
fn look(
    path: &str,
    why: CliError,
    pauses: &mut std::slice::Iter<'_, u64>,
    console: &Console,
) -> Result<Option<UploadView>, CliError> {
    // What the server says of the file is in the upload, too; a refusal of another kind is for good.
    // After a conflict it may only be elsewhere by now: a piece that was sent before still came in.
    if !matches!(why.exit(), exit::UNREACHABLE | exit::CONFLICT) {
        return match console.server.get::<UploadView>(path) {
            Ok(upload) if upload.state == UploadState::Failed => Ok(Some(upload)),
            _ => Err(why),
        };
    }
    let Some(pause) = pauses.next() else {
        return Err(why);
    };
    console.say(&format!("{why} The upload goes on in {pause} s."));
    thread::sleep(Duration::from_secs(*pause));
    match console.server.get(path) {
        Ok(upload) => Ok(Some(upload)),
        Err(why) if why.exit() == exit::UNREACHABLE => Ok(None),
        Err(why) => Err(why),
    }
}

/// The file from there on.
fn rest(file: &File, offset: u64) -> Result<File, CliError> {
    let rest = file.try_clone().and_then(|mut rest| {
        rest.seek(SeekFrom::Start(offset))?;
        Ok(rest)
    });
    rest.map_err(|e| CliError::Local {
        what: "could not read the file".into(),
        why: e.to_string(),
        code: "NSB-CLI-005",
        hint: "Name a file that you may read.",
    })
}

/// Writes a version of an image to a file.
///
/// # Errors
/// As the server says; when the file can't be written.
pub fn export(export: &Export, console: &Console) -> Result<(), CliError> {
    let number = export.version.map(|n| n.to_string());
    let path = Query::of(&format!("{}/content", at("images", &export.image)))
        .with("format", Some(export.format.as_str().into()))
        .with("version", number)
        .path();
    let bar = console.progress(JobUnit::Bytes, None);
    bar.set_message(render::harmless(&export.image));
    audit::write(&export.file, |out| {
        let is_file = out.metadata().is_ok_and(|m| m.is_file());
        let mut out = Sparse {
            file: out,
            at: 0,
            with_holes: is_file,
            bar: &bar,
        };
        console.server.pass_on(&path, &mut out)
    })?;
    bar.finish_and_clear();
    console.say(&format!("Wrote {}.", shown(&export.file)));
    Ok(())
}

fn shown(file: &Path) -> impl std::fmt::Display + '_ {
    file.display()
}

/// Writes a file from front to back, and leaves out zeros where it can have holes.
struct Sparse<'a> {
    file: &'a mut File,
    at: u64,
    with_holes: bool,
    bar: &'a ProgressBar,
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.with_holes {
            let n = self.file.write(bytes)?;
            self.bar.inc(n as u64);
            return Ok(n);
        }
        // Up to the next place where a hole may begin or end.
        let len = (HOLE - (self.at % HOLE as u64) as usize).min(bytes.len());
        let piece = &bytes[..len];
        if piece.iter().any(|b| *b != 0) {
            self.file.write_all_at(piece, self.at)?;
        }
        self.at += len as u64;
        self.bar.inc(len as u64);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.with_holes {
            true => self.file.set_len(self.at),
            false => self.file.flush(),
        }
    }
}
