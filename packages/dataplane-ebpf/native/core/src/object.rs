//! An object file on its way into the kernel: aya reads ELF and BTF, relocates, loads; what comes out are descriptors.

use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    thread,
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Map, MapData, MapError, MapType},
    programs::{Program as Loadable, ProgramError},
};
use heddle_linux_core::{Error, Result, error::Context};

use crate::{kernel_calls, map::BpfMap, map_symbols, program::Program};

/// How often a program is loaded that signals came between.
const ATTEMPTS: u32 = 10;

/// How an object is loaded.
pub struct LoadOptions {
    /// Entries of maps that have another number than the object says.
    pub sizes: HashMap<String, u32>,
    /// Directory on a BPF file system: maps that are pinned there are taken, others are pinned there.
    pub pins: Option<PathBuf>,
    /// Programs do without the kernel's own packet although it may be had.
    pub without_kernel_packet: bool,
}

/// Maps and programs in the kernel.
pub struct Loaded {
    pub maps: HashMap<String, BpfMap>,
    pub programs: HashMap<String, Program>,
}

/// Loads all maps and all programs of an object, of tc and of XDP; on a thread of its own, as signals of the caller's make the verifier begin anew.
pub fn load(object: &[u8], options: &LoadOptions) -> Result<Loaded> {
    thread::scope(|scope| {
        scope.spawn(|| load_here(object, options)).join().map_err(|_| Error::new(libc::EIO, "load a BPF object", "the thread panicked"))?
    })
}

fn load_here(object: &[u8], options: &LoadOptions) -> Result<Loaded> {
    let mut ebpf = open(object, options)?;
    let mut maps = HashMap::new();
    for (name, map) in ebpf.maps() {
        // The loader makes maps of its own for constants.
        if !name.starts_with('.') {
            maps.insert(name.to_owned(), describe(name, map)?);
        }
    }
    let names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    let mut programs = HashMap::new();
    for name in names {
        let program = ebpf.program_mut(&name).ok_or_else(|| Error::invalid("load a program", name.clone()))?;
        load_program(program).map_err(|error| of_program(&name, error))?;
        let fd = program.fd().map_err(|error| of_program(&name, error))?.as_fd().try_clone_to_owned();
        programs.insert(name.clone(), Program::new(name, fd.context(|| "keep a program".into())?));
    }
    Ok(Loaded { maps, programs })
}

/// Takes the maps `names` that are pinned in `pins`, and no program: for who only reads and writes them.
pub fn open_pinned(pins: &Path, names: &[String]) -> Result<Loaded> {
    let mut maps = HashMap::new();
    for name in names {
        let path = pins.join(name);
        let data = MapData::from_pin(&path).map_err(of_map)?;
        let info = data.info().map_err(of_map)?;
        let fd: OwnedFd = data.fd().as_fd().try_clone_to_owned().context(|| format!("keep map '{name}'"))?;
        let (key, value) = (info.key_size() as usize, info.value_size() as usize);
        let is_hash = matches!(info.map_type().map_err(of_map)?, MapType::Hash | MapType::LruHash | MapType::PerCpuHash);
        maps.insert(name.clone(), BpfMap::new(name.clone(), key, value, info.max_entries(), is_hash, fd));
    }
    Ok(Loaded { maps, programs: HashMap::new() })
}

/// The verifier gives up when a signal comes, and asks to be called again.
fn load_program(program: &mut Loadable) -> std::result::Result<(), ProgramError> {
    let mut attempt = || match program {
        Loadable::SchedClassifier(program) => program.load(),
        Loadable::Xdp(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if matches!(errno_in(&error), Some(libc::EAGAIN | libc::EINTR)) => {}
            result => return result,
        }
    }
    attempt()
}

fn open(object: &[u8], LoadOptions { sizes, pins, without_kernel_packet }: &LoadOptions) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    let keeps_memory = keeps_memory();
    if keeps_memory {
        // Programs learn of no type where they would find what they must not read, and then do not ask for it.
        loader.btf(None);
    }
    let cast = if keeps_memory || *without_kernel_packet { None } else { kernel_calls::cast() };
    for (name, entries) in sizes {
        loader.map_max_entries(name, *entries);
    }
    let paths: Vec<(String, PathBuf)> = match pins {
        Some(folder) => map_names(object)?.into_iter().map(|name| (name.clone(), folder.join(&name))).collect(),
        None => Vec::new(),
    };
    for (name, path) in &paths {
        loader.map_pin_path(name.as_str(), path.as_path());
    }
    loader.load(&kernel_calls::resolved(object, cast)).map_err(of_object)
}

/// Whether the kernel lets nobody read its memory, and so refuses programs that would.
pub fn keeps_memory() -> bool {
    fs::read_to_string("/sys/kernel/security/lockdown").is_ok_and(|states| states.contains("[confidentiality]"))
}

/// Names of the maps that an object defines, so that each can be told its pin.
fn map_names(object: &[u8]) -> Result<Vec<String>> {
    map_symbols::of(object).map_err(|detail| Error::invalid("read a BPF object", detail))
}

fn describe(name: &str, map: &Map) -> Result<BpfMap> {
    let (data, is_per_cpu): (&MapData, bool) = match map {
        Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) | Map::LpmTrie(data) => (data, false),
        Map::PerCpuArray(data) | Map::PerCpuHashMap(data) => (data, true),
        Map::RingBuf(data) => (data, false),
        _ => return Err(Error::invalid(format!("use map '{name}'"), "no kind that is known here")),
    };
    let info = data.info().map_err(of_map)?;
    let size = info.value_size() as usize;
    let value_size = if is_per_cpu { size.next_multiple_of(8) * possible_cpus()? } else { size };
    let is_hash = matches!(map, Map::HashMap(_) | Map::LruHashMap(_) | Map::PerCpuHashMap(_));
    let fd: OwnedFd = data.fd().as_fd().try_clone_to_owned().context(|| format!("keep map '{name}'"))?;
    Ok(BpfMap::new(name.to_owned(), info.key_size() as usize, value_size, info.max_entries(), is_hash, fd))
}

fn possible_cpus() -> Result<usize> {
    aya::util::nr_cpus().map_err(|(path, error)| Error::from_io(error, format!("read {path}")))
}

fn of_object(error: EbpfError) -> Error {
    match error {
        EbpfError::MapError(error) => of_map(error),
        EbpfError::ProgramError(error) => of_program("of the object", error),
        other => Error::new(libc::EINVAL, "load a BPF object", chain(&other)),
    }
}

fn of_map(error: MapError) -> Error {
    let errno = errno_in(&error).unwrap_or(libc::EINVAL);
    Error::new(errno, "make a BPF map", chain(&error))
}

/// What the verifier wrote stands behind the reason, its last lines first to be read.
fn of_program(name: &str, error: ProgramError) -> Error {
    let errno = errno_in(&error).unwrap_or(libc::EINVAL);
    let operation = format!("load program '{name}'");
    match &error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // Newer kernels end with a line for each function, which would be all that is left of what went before.
            let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("subprog ")).collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            Error::new(errno, operation, format!("{io_error}; the verifier says:\n{tail}"))
        }
        _ => Error::new(errno, operation, chain(&error)),
    }
}

fn errno_in(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        current = error.source();
    }
    None
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut current = error.source();
    while let Some(cause) = current {
        let _ = write!(text, ": {cause}");
        current = cause.source();
    }
    text
}
