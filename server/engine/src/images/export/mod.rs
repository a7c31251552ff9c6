//! An image on its way out: a version's disk as a file, made piece by piece while it is sent, with bounded
//! memory whatever its size.

mod qcow2;

use super::rules::require_ready;
use crate::{Area, Error, Result, blocking::blocking, storage::Disk};
use bytes::Bytes;
use qcow2::Qcow2;
use std::io::{self, Write};
use types::ExportFormat;
use zstd::stream::write::Encoder;

/// Bytes of a piece, and of what is read at a time.
const PIECE: u64 = 1 << 20;
/// The disk is packed until there are this many bytes to send,
const SEND: usize = 256 << 10;
/// or this much of it was read: whoever waits must hear something now and then.
const READ: u64 = 256 << 20;

/// A file that is being made.
pub struct Export {
    /// What it is to be called.
    pub file_name: String,
    /// Its length where that is known before, bytes.
    pub len: Option<u64>,
    /// None while a piece is being made, and after an error.
    maker: Option<Maker>,
}

enum Maker {
    Raw {
        disk: Box<dyn Disk>,
        at: u64,
    },
    Zstd {
        disk: Box<dyn Disk>,
        at: u64,
        /// None once its end is written.
        packer: Option<Encoder<'static, Vec<u8>>>,
    },
    Qcow2(Qcow2),
}

impl Export {
    /// Looks the disk through, where that has to be done before the first byte.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) async fn begin(
        disk: Box<dyn Disk>,
        format: ExportFormat,
        name: String,
    ) -> Result<Export> {
        blocking(move || {
            let size = disk.size_bytes();
            let (end, len, maker) = match format {
                ExportFormat::Raw => ("raw", Some(size), Maker::Raw { disk, at: 0 }),
                ExportFormat::Zst => {
                    let packer = packer(size).map_err(packing)?;
                    let packer = Some(packer);
                    (
                        "raw.zst",
                        None,
                        Maker::Zstd {
                            disk,
                            at: 0,
                            packer,
                        },
                    )
                }
                ExportFormat::Qcow2 => {
                    let file = Qcow2::new(disk)?;
                    ("qcow2", Some(file.len()), Maker::Qcow2(file))
                }
            };
            Ok(Export {
                file_name: format!("{name}.{end}"),
                len,
                maker: Some(maker),
            })
        })
        .await
    }

    /// The next piece of the file; None at its end.
    ///
    /// # Errors
    /// When the file system refuses; there are no more pieces then.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut maker = self
            .maker
            .take()
            .ok_or_else(|| Error::Internal("an export went on after its end".into()))?;
        let (maker, piece) = blocking(move || {
            let piece = maker.next()?;
            Ok((maker, piece))
        })
        .await?;
        self.maker = Some(maker);
        Ok(piece)
    }
}

fn packer(size: u64) -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut packer = Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    packer.include_checksum(true)?;
    packer.set_pledged_src_size(Some(size))?;
    Ok(packer)
}

fn packing(e: io::Error) -> Error {
    Error::Internal(format!("the disk could not be compressed: {e}"))
}

impl Maker {
    fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Maker::Raw { disk, at } => read(disk.as_ref(), at).map(|piece| piece.map(Bytes::from)),
            Maker::Zstd { disk, at, packer } => pack(disk.as_ref(), at, packer),
            Maker::Qcow2(file) => file.next(PIECE),
        }
    }
}

/// The next bytes of the disk; None at its end.
fn read(disk: &dyn Disk, at: &mut u64) -> Result<Option<Vec<u8>>> {
    let len = PIECE.min(disk.size_bytes() - *at);
    if len == 0 {
        return Ok(None);
    }
    let mut piece = vec![0; len as usize];
    disk.read_at(*at, &mut piece)?;
    *at += len;
    Ok(Some(piece))
}

fn pack(
    disk: &dyn Disk,
    at: &mut u64,
    packer: &mut Option<Encoder<'static, Vec<u8>>>,
) -> Result<Option<Bytes>> {
    let from = *at;
    while let Some(open) = packer {
        match read(disk, at)? {
            Some(piece) => open.write_all(&piece).map_err(packing)?,
            None => {
                let rest = packer.take().map(Encoder::finish).transpose();
                return Ok(rest.map_err(packing)?.map(Bytes::from));
            }
        }
        if *at - from >= READ {
            open.flush().map_err(packing)?;
        }
        if open.get_ref().len() >= SEND || *at - from >= READ {
            return Ok(Some(std::mem::take(open.get_mut()).into()));
        }
    }
    Ok(None)
}

impl super::Images {
    /// Begins to send a version of an image as a file: that of channel production when none is named.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] when the image is not ready, or why the file system refused.
    pub(crate) async fn export(
        &self,
        image: &store::ImageRecord,
        version: Option<u32>,
        format: ExportFormat,
    ) -> Result<Export> {
        require_ready(image)?;
        let is_it = |v: &&store::StoredVersion| match version {
            Some(number) => v.number == number,
            None => v.id == image.channels.production,
        };
        let found = image
            .versions
            .iter()
            .find(is_it)
            .ok_or_else(|| Error::not_found(Area::Version, version.unwrap_or_default()))?;
        let (storage, id) = (self.inner.storage.clone(), found.id);
        let disk = blocking(move || storage.open_version(id)).await?;
        let name = format!("{}-{}", image.name, found.number);
        Export::begin(disk, format, name).await
    }
}
