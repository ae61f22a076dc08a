//! bpf(2) as it is: the commands that are used here, each with the part of `union bpf_attr` that it reads.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
};

const MAP_CREATE: u32 = 0;
const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const MAP_GET_NEXT_KEY: u32 = 4;
const PROG_LOAD: u32 = 5;
const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const PROG_TEST_RUN: u32 = 10;
const PROG_GET_FD_BY_ID: u32 = 13;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const PROG_QUERY: u32 = 16;
const MAP_LOOKUP_BATCH: u32 = 24;
const LINK_CREATE: u32 = 28;
const LINK_UPDATE: u32 = 29;

/// Attach type of a tcx program on packets that come in (Linux 6.6).
pub const TCX_INGRESS: u32 = 46;

/// `BPF_F_BEFORE`: before a program that is named, or, as none is, before all that are there by the same attach type (Linux 6.6).
pub const BEFORE: u32 = 1 << 3;

/// Attach type of a program on what the peer of a netkit device sends (Linux 6.7).
pub const NETKIT_PEER: u32 = 55;

/// Programs that a link has by one attach type at most: `BPF_MPROG_MAX`.
pub const MOST_PROGRAMS: usize = 64;

/// Attach type of an XDP program.
pub const XDP: u32 = 37;
/// `XDP_FLAGS_DRV_MODE`: by the device's driver, or not at all.
pub const XDP_BY_DRIVER: u32 = 1 << 2;

/// Map type of an array.
pub const ARRAY: u32 = 2;
/// Map type of an array whose values are maps.
const ARRAY_OF_MAPS: u32 = 12;
/// Program type of tc.
pub const SCHED_CLS: u32 = 3;
/// Program type of XDP.
pub const XDP_PROGRAM: u32 = 6;
/// `BPF_F_MMAPABLE` (Linux 5.5).
pub const MMAPABLE: u32 = 1 << 10;

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

#[repr(C)]
#[derive(Default)]
struct MapElement {
    map: u32,
    pub reserved: u32,
    key: u64,
    /// Or the next key.
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    target: u32,
    kind: u32,
    flags: u32,
    relative: u32,
    pub reserved: u32,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

/// Fields of a test run; sizes of the outputs are filled in by the kernel.
#[repr(C)]
#[derive(Default)]
pub struct TestRun {
    pub program: u32,
    pub result: u32,
    pub data_size_in: u32,
    pub data_size_out: u32,
    pub data_in: u64,
    pub data_out: u64,
    pub repeat: u32,
    pub duration: u32,
    pub context_size_in: u32,
    pub context_size_out: u32,
    pub context_in: u64,
    pub context_out: u64,
    pub flags: u32,
    pub cpu: u32,
    pub batch_size: u32,
    pub reserved: u32,
}

fn bpf<T>(command: u32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes are as long as they say, and what they point to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn fd_of(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub fn map_create(kind: u32, key_size: u32, value_size: u32, max_entries: u32, flags: u32) -> io::Result<OwnedFd> {
    bpf(MAP_CREATE, &mut MapCreate { kind, key_size, value_size, max_entries, flags, ..Default::default() }).map(owned)
}

/// An array of one map that is like `inner`.
pub fn map_of_maps(inner: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attributes =
        MapCreate { kind: ARRAY_OF_MAPS, key_size: 4, value_size: 4, max_entries: 1, inner_map: fd_of(inner), ..Default::default() };
    bpf(MAP_CREATE, &mut attributes).map(owned)
}

/// Loads instructions of 8 octets each, without BTF; for probes.
pub fn program_load(kind: u32, instructions: &[u8]) -> io::Result<OwnedFd> {
    let mut attributes = ProgramLoad {
        kind,
        count: (instructions.len() / 8) as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        ..Default::default()
    };
    // The verifier gives up when a signal comes, and asks to be called again.
    loop {
        match bpf(PROG_LOAD, &mut attributes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result.map(owned),
        }
    }
}

pub fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    let mut element = MapElement { map: fd_of(map), key: key.as_ptr() as u64, value: value.as_mut_ptr() as u64, ..Default::default() };
    bpf(MAP_LOOKUP_ELEM, &mut element).map(drop)
}

pub fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut element = MapElement { map: fd_of(map), key: key.as_ptr() as u64, value: value.as_ptr() as u64, ..Default::default() };
    bpf(MAP_UPDATE_ELEM, &mut element).map(drop)
}

pub fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let mut element = MapElement { map: fd_of(map), key: key.as_ptr() as u64, ..Default::default() };
    bpf(MAP_DELETE_ELEM, &mut element).map(drop)
}

pub fn next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<()> {
    let key = key.map_or(0, |key| key.as_ptr() as u64);
    let mut element = MapElement { map: fd_of(map), key, value: next.as_mut_ptr() as u64, ..Default::default() };
    bpf(MAP_GET_NEXT_KEY, &mut element).map(drop)
}

#[repr(C)]
#[derive(Default)]
struct MapBatch {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// What a call of `lookup_batch` came to.
pub struct Looked {
    /// Elements whose keys and values were written.
    pub count: usize,
    /// Bucket to go on at; none when there is no other.
    pub next: Option<u32>,
}

/// Elements of a hash map from a bucket on (Linux 5.6), whole buckets of them, as many as `keys` and `values` have room for, `count`.
pub fn lookup_batch(map: BorrowedFd<'_>, from: Option<u32>, keys: &mut [u8], values: &mut [u8], count: usize) -> io::Result<Looked> {
    let mut next = 0_u32;
    let mut batch = MapBatch {
        from: from.as_ref().map_or(0, |bucket| std::ptr::from_ref(bucket) as u64),
        next: std::ptr::from_mut(&mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: count as u32,
        map: fd_of(map),
        ..Default::default()
    };
    match bpf(MAP_LOOKUP_BATCH, &mut batch) {
        Ok(_) => Ok(Looked { count: batch.count as usize, next: Some(next) }),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Looked { count: batch.count as usize, next: None }),
        Err(error) => Err(error),
    }
}

pub fn pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    bpf(OBJ_PIN, &mut Object { path: path.as_ptr() as u64, fd: fd_of(fd), flags: 0 }).map(drop)
}

pub fn get_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    bpf(OBJ_GET, &mut Object { path: path.as_ptr() as u64, fd: 0, flags: 0 }).map(owned)
}

/// `flags`: those of the attach type.
pub fn link_create(program: BorrowedFd<'_>, ifindex: u32, kind: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attributes = LinkCreate { program: fd_of(program), target: ifindex, kind, flags, ..Default::default() };
    bpf(LINK_CREATE, &mut attributes).map(owned)
}

pub fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    bpf(LINK_UPDATE, &mut LinkUpdate { link: fd_of(link), program: fd_of(program), ..Default::default() }).map(drop)
}

/// Takes the program of an attachment away, whoever holds that.
#[cfg(test)]
pub fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    const LINK_DETACH: u32 = 34;
    bpf(LINK_DETACH, &mut fd_of(link)).map(drop)
}

#[repr(C)]
#[derive(Default)]
struct Info {
    fd: u32,
    length: u32,
    info: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgQuery {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    reserved: u32,
    attach_flags_of: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Numbers of the attachments of programs to a link in one way, in the order in which the programs run, 0 for what is attached without; as many as `ids` has
/// room for.
pub fn link_query(ifindex: u32, kind: u32, ids: &mut [u32]) -> io::Result<usize> {
    // Without room for those of programs the kernel gives neither.
    let mut programs = vec![0_u32; ids.len()];
    let mut query = ProgQuery {
        target: ifindex,
        kind,
        ids: programs.as_mut_ptr() as u64,
        count: ids.len() as u32,
        link_ids: ids.as_mut_ptr() as u64,
        ..Default::default()
    };
    bpf(PROG_QUERY, &mut query)?;
    Ok(query.count as usize)
}

/// Numbers of the programs that are attached to a link in one way, in the order in which they run, as many as `ids` has room for.
pub fn prog_query(ifindex: u32, kind: u32, ids: &mut [u32]) -> io::Result<usize> {
    let mut query = ProgQuery { target: ifindex, kind, ids: ids.as_mut_ptr() as u64, count: ids.len() as u32, ..Default::default() };
    bpf(PROG_QUERY, &mut query)?;
    Ok(query.count as usize)
}

#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

pub fn prog_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf(PROG_GET_FD_BY_ID, &mut ById { id, ..Default::default() }).map(owned)
}

/// What a descriptor of an attachment says of it.
pub struct LinkFacts {
    pub id: u32,
    /// 0 when the link is gone, or somebody took the program away.
    pub ifindex: u32,
}

/// Of an attachment by tcx, netkit or XDP: `struct bpf_link_info`, in whose union each of them begins with the index of its link.
pub fn link_facts(link: BorrowedFd<'_>) -> io::Result<LinkFacts> {
    let mut octets = [0_u8; 64];
    info(link, &mut octets)?;
    let word = |at: usize| u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    Ok(LinkFacts { id: word(4), ifindex: word(16) })
}

/// Fills `info`, as much of it as this kernel knows.
pub fn info(fd: BorrowedFd<'_>, info: &mut [u8]) -> io::Result<()> {
    bpf(OBJ_GET_INFO_BY_FD, &mut Info { fd: fd_of(fd), length: info.len() as u32, info: info.as_mut_ptr() as u64 }).map(drop)
}

pub fn test_run(attributes: &mut TestRun) -> io::Result<()> {
    bpf(PROG_TEST_RUN, attributes).map(drop)
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
