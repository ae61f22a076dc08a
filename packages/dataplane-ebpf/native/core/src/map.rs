//! A map by its descriptor: one element, all elements, or its memory.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
};

use heddle_linux_core::{Error, Result, error::Context};

use crate::sys;

/// A map of a loaded object.
pub struct BpfMap {
    pub name: String,
    pub key_size: usize,
    /// Octets of a value; of a per-CPU map those of all CPUs.
    pub value_size: usize,
    pub max_entries: u32,
    fd: OwnedFd,
}

impl BpfMap {
    pub fn new(name: String, key_size: usize, value_size: usize, max_entries: u32, fd: OwnedFd) -> Self {
        Self { name, key_size, value_size, max_entries, fd }
    }

    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let operation = || format!("look up in map '{}'", self.name);
        self.check(key, self.key_size, operation)?;
        let mut value = vec![0; self.value_size];
        match sys::lookup(self.fd.as_fd(), key, &mut value) {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(Error::from_io(error, operation())),
        }
    }

    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let operation = || format!("update map '{}'", self.name);
        self.check(key, self.key_size, operation)?;
        self.check(value, self.value_size, operation)?;
        sys::update(self.fd.as_fd(), key, value).context(operation)
    }

    /// Whether there was something to delete.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        let operation = || format!("delete from map '{}'", self.name);
        self.check(key, self.key_size, operation)?;
        match sys::delete(self.fd.as_fd(), key) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(Error::from_io(error, operation())),
        }
    }

    /// Keys and values of all elements, one behind the other. Nobody else may change the map meanwhile.
    pub fn entries(&self) -> Result<Vec<u8>> {
        let operation = || format!("list map '{}'", self.name);
        let (mut entries, mut key, mut next) = (Vec::new(), Vec::new(), vec![0; self.key_size]);
        loop {
            let from = if key.is_empty() { None } else { Some(key.as_slice()) };
            match sys::next_key(self.fd.as_fd(), from, &mut next) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(entries),
                result => result.context(operation)?,
            }
            key.clone_from(&next);
            if let Some(value) = self.lookup(&key)? {
                entries.extend_from_slice(&key);
                entries.extend_from_slice(&value);
            }
        }
    }

    /// Keys and values of some of the elements of a hash map, about `count`, from a bucket on. Others may change the map meanwhile: an element that stays is in one
    /// part, and in no other.
    pub fn part(&self, from: Option<u32>, count: usize) -> Result<Part> {
        let mut room = count;
        loop {
            let (mut keys, mut values) = (vec![0; room * self.key_size], vec![0; room * self.value_size]);
            match sys::lookup_batch(self.fd.as_fd(), from, &mut keys, &mut values, room) {
                // One bucket has more elements.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => room *= 2,
                looked => {
                    let sys::Looked { count, next } = looked.context(|| format!("list a part of map '{}'", self.name))?;
                    let mut entries = Vec::with_capacity(count * (self.key_size + self.value_size));
                    for (key, value) in keys.chunks_exact(self.key_size).zip(values.chunks_exact(self.value_size)).take(count) {
                        entries.extend_from_slice(key);
                        entries.extend_from_slice(value);
                    }
                    return Ok(Part { entries, next });
                }
            }
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Octets that the kernel holds for the map; 0 where it does not say.
    pub fn octets(&self) -> u64 {
        let path = format!("/proc/self/fdinfo/{}", self.fd.as_raw_fd());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("memlock:")).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }

    /// Maps the values of an array with `BPF_F_MMAPABLE` (Linux 5.5); each takes its size rounded up to 8 octets.
    pub fn memory(&self) -> Result<MapMemory> {
        // SAFETY: asks for a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let length = (self.value_size.next_multiple_of(8) * self.max_entries as usize).next_multiple_of(page);
        // SAFETY: a fresh mapping, wherever the kernel likes.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, self.fd.as_fd().as_raw_fd(), 0)
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(MapMemory { start, length }),
            _ => Err(Error::from_io(io::Error::last_os_error(), format!("map the memory of map '{}'", self.name))),
        }
    }

    fn check(&self, bytes: &[u8], size: usize, operation: impl FnOnce() -> String) -> Result<()> {
        if bytes.len() == size {
            return Ok(());
        }
        Err(Error::invalid(operation(), format!("{} octets where the map has {size}", bytes.len())))
    }
}

/// Some of the elements of a map.
pub struct Part {
    /// Keys and values, one behind the other.
    pub entries: Vec<u8>,
    /// Bucket at which the next part begins; none behind the last one.
    pub next: Option<u32>,
}

/// Memory of a map that programs read and write too.
pub struct MapMemory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for MapMemory {}

impl MapMemory {
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub fn length(&self) -> usize {
        self.length
    }
}

impl Drop for MapMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and who lent it out keeps this value as long as it is used.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
