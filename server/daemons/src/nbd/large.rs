//! Buffers for large reads, which all connections share: a few, because each of many connections must cost little.

use std::{
    ops::DerefMut,
    sync::{Mutex, PoisonError},
};

/// The longest stretch of a disk that is read into one of them and sent at once, bytes. A read of 1 MiB that is sent
/// in four pieces costs a third more.
pub const LARGE: usize = 1 << 20;
/// Who finds none left reads in smaller pieces.
const MOST: usize = 8;

/// Those that are in nobody's use, and how many were made.
#[derive(Default)]
pub struct LargeBuffers(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    free: Vec<Box<[u8]>>,
    made: usize,
}

impl LargeBuffers {
    /// One of them, until it is dropped; None when all are in use.
    pub fn take(&self) -> Option<impl DerefMut<Target = [u8]>> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = match shelf.free.pop() {
            Some(buffer) => buffer,
            None if shelf.made < MOST => {
                shelf.made += 1;
                vec![0; LARGE].into_boxed_slice()
            }
            None => return None,
        };
        Some(Taken { buffer, from: self })
    }
}

struct Taken<'a> {
    buffer: Box<[u8]>,
    from: &'a LargeBuffers,
}

impl std::ops::Deref for Taken<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buffer
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut shelf = self.from.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_few_and_they_come_back() {
        let buffers = LargeBuffers::default();
        let mut taken: Vec<_> = (0..MOST).map(|_| buffers.take().expect("one")).collect();
        assert!(taken.iter().all(|buffer| buffer.len() == LARGE));
        assert!(buffers.take().is_none());
        taken.pop();
        assert!(buffers.take().is_some());
    }
}
