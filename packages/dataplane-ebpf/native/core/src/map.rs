//! A map by its descriptor: one element, all elements, or its memory.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
};

use heddle_linux_core::{Error, Result, error::Context};

use crate::sys;

/// Elements that a part is asked for where all are listed.
const PART: usize = 512;

/// A map of a loaded object.
pub struct BpfMap {
    pub name: String,
    pub key_size: usize,
    /// Octets of a value; of a per-CPU map those of all CPUs.
    pub value_size: usize,
    pub max_entries: u32,
    /// Whether its elements are in buckets.
    is_hash: bool,
    fd: OwnedFd,
}

impl BpfMap {
    pub fn new(name: String, key_size: usize, value_size: usize, max_entries: u32, is_hash: bool, fd: OwnedFd) -> Self {
        Self { name, key_size, value_size, max_entries, is_hash, fd }
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

    /// Keys and values of all elements, one behind the other. Others may change a hash map meanwhile: an element that stays is there once, and none twice. Of other
    /// maps that are changed meanwhile elements may be missing, or be there twice.
    pub fn entries(&self) -> Result<Vec<u8>> {
        if self.is_hash { self.entries_by_bucket() } else { self.entries_by_key() }
    }

    fn entries_by_bucket(&self) -> Result<Vec<u8>> {
        let Part { mut entries, mut next } = self.part(None, PART)?;
        while next.is_some() {
            let part = self.part(next, PART)?;
            entries.extend_from_slice(&part.entries);
            next = part.next;
        }
        Ok(entries)
    }

    /// In no more steps than there can be elements: behind a key that is gone the kernel begins anew.
    fn entries_by_key(&self) -> Result<Vec<u8>> {
        let operation = || format!("list map '{}'", self.name);
        let (mut entries, mut key, mut next) = (Vec::new(), Vec::new(), vec![0; self.key_size]);
        for _ in 0..self.max_entries {
            let from = if key.is_empty() { None } else { Some(key.as_slice()) };
            match sys::next_key(self.fd.as_fd(), from, &mut next) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
                result => result.context(operation)?,
            }
            key.clone_from(&next);
            if let Some(value) = self.lookup(&key)? {
                entries.extend_from_slice(&key);
                entries.extend_from_slice(&value);
            }
        }
        Ok(entries)
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

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    const HASH: u32 = 1;
    const LPM_TRIE: u32 = 11;
    const NO_PREALLOC: u32 = 1;
    /// Elements that stay, and those that come and go.
    const STAYING: u32 = 1024;
    const CHANGING: u32 = 64;

    /// None where maps may not be made. Of a trie the key begins with the length of its prefix.
    fn map_of(kind: u32) -> Option<BpfMap> {
        let fd = match sys::map_create(kind, 8, 4, STAYING + CHANGING, NO_PREALLOC) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                eprintln!("skipped: {error}");
                return None;
            }
            made => made.unwrap(),
        };
        let map = BpfMap::new("some".into(), 8, 4, STAYING + CHANGING, kind == HASH, fd);
        for number in 0..STAYING + CHANGING {
            map.update(&key_of(number), &number.to_ne_bytes()).unwrap();
        }
        Some(map)
    }

    fn key_of(number: u32) -> Vec<u8> {
        [32_u32.to_ne_bytes(), number.to_be_bytes()].concat()
    }

    /// Lists a map while another thread changes it, in some tens of rounds of that; the numbers of each list.
    fn lists_beside_changes(map: &BpfMap) -> Vec<Vec<u32>> {
        let (ends, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    for number in STAYING..STAYING + CHANGING {
                        map.delete(&key_of(number)).unwrap();
                        thread::yield_now();
                        map.update(&key_of(number), &number.to_ne_bytes()).unwrap();
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut lists = Vec::new();
            while lists.len() < 50 || rounds.load(Ordering::Relaxed) < 50 {
                let entries = map.entries().unwrap();
                lists.push(entries.chunks_exact(12).map(|entry| u32::from_ne_bytes(entry[8..].try_into().unwrap())).collect());
            }
            ends.store(true, Ordering::Relaxed);
            lists
        })
    }

    #[test]
    fn lists_elements_of_a_hash_map_once_each_beside_changes() {
        let Some(map) = map_of(HASH) else { return };
        for list in lists_beside_changes(&map) {
            let distinct: HashSet<u32> = list.iter().copied().collect();
            assert_eq!(distinct.len(), list.len());
            assert_eq!((0..STAYING).find(|number| !distinct.contains(number)), None);
        }
    }

    #[test]
    fn lists_no_more_elements_than_a_map_can_have_beside_changes() {
        let Some(map) = map_of(LPM_TRIE) else { return };
        let most = lists_beside_changes(&map).iter().map(Vec::len).max().unwrap_or(0);
        assert!(most <= (STAYING + CHANGING) as usize, "{most}");
        assert_eq!(map.entries().unwrap().len(), (STAYING + CHANGING) as usize * 12);
    }
}
