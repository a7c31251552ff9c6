//! Thin provisioning: WRITE SAME, UNMAP and GET LBA STATUS on a unit (SBC-3 section 4.7).

use super::{
    cdb::Span,
    pages::{BLOCK, MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS},
    run::CHUNK,
    sense::Sense,
    unit::Unit,
};
use crate::iscsi::bytes::{be32, be64, put32, put64};

/// The most bytes that one GET LBA STATUS looks at.
const STATUS_REACH: u64 = 256 * 1024 * 1024;

impl Unit {
    pub(super) fn lba_status(&self, lba: u64, alloc: usize) -> Result<Vec<u8>, Sense> {
        if lba >= self.facts.blocks {
            return Err(Sense::LBA_OUT_OF_RANGE);
        }
        let offset = lba * BLOCK;
        let reach = (self.facts.blocks * BLOCK - offset).min(STATUS_REACH);
        let extents = self
            .device
            .extents(offset, reach)
            .map_err(|_| Sense::READ_ERROR)?;
        let most = (alloc.saturating_sub(8) / 16).clamp(1, 1024);
        let mut b = vec![0; 8];
        let mut at = lba;
        for (len, data) in extents.into_iter().take(most) {
            let blocks = (len / BLOCK) as u32;
            let mut d = [0; 16];
            put64(&mut d, 0, at);
            put32(&mut d, 8, blocks);
            d[12] = u8::from(!data);
            b.extend_from_slice(&d);
            at += u64::from(blocks);
        }
        let len = b.len() - 4;
        put32(&mut b, 0, len as u32);
        Ok(b)
    }

    pub(super) fn write_same(&self, span: Span, unmap: bool, block: &[u8]) -> Result<(), Sense> {
        let (offset, len) = self.range(span)?;
        // Unmapped blocks read as zeros, so only a block of zeros may be unmapped.
        if unmap && block.iter().all(|b| *b == 0) {
            return self.discard(offset, len);
        }
        let copies = (CHUNK as u64).min(len) / BLOCK;
        let pattern = block.repeat(copies as usize);
        let mut at = 0;
        while at < len {
            let n = (len - at).min(pattern.len() as u64);
            self.write(offset + at, &pattern[..n as usize])?;
            at += n;
        }
        Ok(())
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), Sense> {
        self.device
            .discard(offset, len)
            .map_err(|error| self.not_written("discard", offset, &error))
    }

    /// UNMAP with its parameter list; nothing is unmapped unless the whole list is sound.
    pub(super) fn unmap(&self, list: &[u8]) -> Result<(), Sense> {
        if list.is_empty() {
            return Ok(());
        }
        if list.len() < 8 {
            return Err(Sense::PARAMETER_LIST_LENGTH);
        }
        let stated = usize::from(list[2]) << 8 | usize::from(list[3]);
        let body = &list[8..];
        let body = &body[..stated.min(body.len())];
        let descriptors = body.chunks_exact(16);
        if descriptors.len() as u32 > MAX_UNMAP_DESCRIPTORS {
            return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
        }
        let mut total = 0u64;
        let mut ranges = Vec::with_capacity(descriptors.len());
        for d in descriptors {
            let blocks = be32(d, 8);
            total += u64::from(blocks);
            ranges.push(self.range(Span {
                lba: be64(d, 0),
                blocks,
            })?);
        }
        if total > MAX_UNMAP_BLOCKS.into() {
            return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
        }
        let mut used = ranges.into_iter().filter(|(_, len)| *len > 0);
        used.try_for_each(|(offset, len)| self.discard(offset, len))
    }
}
