//! A ring that programs write records to and this process reads (Linux 5.8): positions and records are memory of both.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use heddle_linux_core::{Error, Result};

/// A record that is still being written, and one that was given up.
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
/// Before each record; records begin at multiples of it.
const HEADER: usize = 8;

/// The only reader of a ring.
pub struct Ring {
    consumer: Mapping,
    producer: Mapping,
    page: usize,
    size: usize,
}

struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a reference into it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

impl Ring {
    /// Maps a ring of `size` octets, a power of two.
    pub fn open(fd: BorrowedFd<'_>, size: usize) -> Result<Self> {
        // SAFETY: asks for a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let consumer = map(fd, page, 0, libc::PROT_READ | libc::PROT_WRITE)?;
        // The kernel maps the records twice in a row, so that none has its end before its beginning.
        let producer = map(fd, page + 2 * size, page, libc::PROT_READ)?;
        Ok(Self { consumer, producer, page, size })
    }

    /// Takes records until `most` octets are there or none is left: each with its length in front, a little-endian word.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        // SAFETY: both positions are aligned words at the start of their mappings, which live as long as this.
        let (consumed, produced) =
            unsafe { (AtomicU64::from_ptr(self.consumer.start.as_ptr().cast()), AtomicU64::from_ptr(self.producer.start.as_ptr().cast())) };
        let mut at = consumed.load(Ordering::Relaxed);
        while at < produced.load(Ordering::Acquire) && taken.len() < most {
            let offset = self.page + (at as usize & (self.size - 1));
            // SAFETY: a record begins within the ring and, as it is mapped twice, ends within the mapping.
            let record = unsafe { self.producer.start.as_ptr().add(offset) };
            // SAFETY: records begin with an aligned word.
            let header = unsafe { AtomicU32::from_ptr(record.cast()) }.load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let length = (header & !DISCARD) as usize;
            if header & DISCARD == 0 {
                taken.extend_from_slice(&(length as u32).to_le_bytes());
                // SAFETY: as above; the kernel reuses the octets only behind the consumer's position.
                taken.extend_from_slice(unsafe { slice::from_raw_parts(record.add(HEADER), length) });
            }
            at += (length + HEADER).next_multiple_of(HEADER) as u64;
            consumed.store(at, Ordering::Release);
        }
        taken
    }
}

fn map(fd: BorrowedFd<'_>, length: usize, offset: usize, access: i32) -> Result<Mapping> {
    // SAFETY: a fresh mapping, wherever the kernel likes.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, fd.as_raw_fd(), offset as libc::off_t) };
    match NonNull::new(start.cast::<u8>()) {
        Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Mapping { start, length }),
        _ => Err(Error::from_io(io::Error::last_os_error(), "map a ring")),
    }
}
