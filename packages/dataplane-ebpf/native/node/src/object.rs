//! A loaded object: its maps, its programs, and where they are attached.

use std::{
    collections::HashMap,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use heddle_ebpf_core::{
    Error as CoreError,
    link::{Attachment, Means, Place},
    map::{BpfMap, MapMemory},
    object::{LoadOptions, Loaded, load, open_pinned},
    program::Program,
    ring::Ring,
};
use napi::{
    Env, Result,
    bindgen_prelude::{ArrayBuffer, AsyncTask, Uint8Array},
};
use napi_derive::napi;

use crate::{
    error::{closed, to_js},
    job::{Job, job},
};

#[napi(object)]
pub struct NativeMap {
    pub name: String,
    pub key_size: u32,
    /// Octets of a value; of a per-CPU map those of all CPUs.
    pub value_size: u32,
    pub max_entries: u32,
    /// Octets that the kernel holds for it; 0 where it does not say.
    pub octets: f64,
}

#[napi(object)]
pub struct NativeProgram {
    pub name: String,
    pub id: u32,
    /// Hash of the instructions, in hexadecimal.
    pub tag: String,
    pub instructions: u32,
    /// Instructions that the verifier has looked at; 0 before Linux 5.16.
    pub verified: u32,
    /// Octets of machine code.
    pub machine_code: u32,
}

#[napi(object)]
pub struct NativeOutcome {
    pub verdict: u32,
    /// Mean duration of a run, nanoseconds.
    pub duration: u32,
    pub packet: Uint8Array,
}

#[napi(object)]
pub struct NativeAttachOptions {
    pub program: String,
    pub namespace: Option<String>,
    pub ifindex: u32,
    /// Where the attachment is pinned, or is found.
    pub pin: Option<String>,
    /// By tcx, or by a filter of clsact.
    pub uses_tcx: bool,
    /// By XDP in the link's driver, for a program of XDP.
    pub is_xdp: Option<bool>,
    /// The link is this router's end of a netkit pair: what the other end sends.
    pub is_netkit: Option<bool>,
    /// By tcx before programs of others that are there; behind them when left out. One that is taken over comes there too.
    pub is_first: Option<bool>,
}

/// Maps and programs in the kernel.
#[napi]
pub struct NativeObject {
    loaded: Option<Loaded>,
    attached: Arc<Mutex<Attached>>,
}

/// What is attached, by numbers for JavaScript.
#[derive(Default)]
struct Attached {
    attachments: HashMap<u32, Arc<Attachment>>,
    last: u32,
}

/// A panic leaves nothing half done here.
fn locked(attached: &Mutex<Attached>) -> MutexGuard<'_, Attached> {
    attached.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads an object. With `pins`, maps that are pinned in that directory are taken and others are pinned there. `without_kernel_packet`: programs do without the
/// kernel's own packet although it may be had.
#[napi(catch_unwind)]
pub fn object_load(
    object: &[u8],
    sizes: HashMap<String, u32>,
    pins: Option<String>,
    without_kernel_packet: Option<bool>,
) -> Result<NativeObject> {
    let options = LoadOptions { sizes, pins: pins.map(PathBuf::from), without_kernel_packet: without_kernel_packet.unwrap_or(false) };
    let loaded = load(object, &options).map_err(to_js)?;
    Ok(NativeObject { loaded: Some(loaded), attached: Arc::default() })
}

/// A ring that programs write to.
#[napi]
pub struct NativeRing {
    ring: Ring,
    fd: i32,
}

#[napi]
impl NativeRing {
    /// To wait for records by; the map's, and closed with it.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Takes records until `most` octets are there or none is left, each behind its length, a little-endian word.
    #[napi(catch_unwind)]
    pub fn read(&mut self, most: u32) -> Uint8Array {
        Uint8Array::from(self.ring.read(most as usize))
    }
}

/// Takes maps that are pinned in a directory, none of them with a value for each CPU.
#[napi(catch_unwind)]
pub fn object_open(pins: String, maps: Vec<String>) -> Result<NativeObject> {
    let loaded = open_pinned(Path::new(&pins), &maps).map_err(to_js)?;
    Ok(NativeObject { loaded: Some(loaded), attached: Arc::default() })
}

#[napi]
impl NativeObject {
    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.as_ref().ok_or_else(|| closed("loaded object"))
    }

    fn map(&self, name: &str) -> Result<&BpfMap> {
        let missing = || to_js(CoreError::new(2, format!("use map '{name}'"), "the object has none"));
        self.loaded()?.maps.get(name).ok_or_else(missing)
    }

    fn program(&self, name: &str) -> Result<&Program> {
        let missing = || to_js(CoreError::new(2, format!("use program '{name}'"), "the object has none"));
        self.loaded()?.programs.get(name).ok_or_else(missing)
    }

    #[napi(catch_unwind)]
    pub fn maps(&self) -> Result<Vec<NativeMap>> {
        let maps = self.loaded()?.maps.values();
        Ok(maps
            .map(|map| NativeMap {
                name: map.name.clone(),
                key_size: map.key_size as u32,
                value_size: map.value_size as u32,
                max_entries: map.max_entries,
                octets: map.octets() as f64,
            })
            .collect())
    }

    #[napi(catch_unwind)]
    pub fn programs(&self) -> Result<Vec<NativeProgram>> {
        let programs = self.loaded()?.programs.values();
        programs
            .map(|program| {
                let facts = program.facts().map_err(to_js)?;
                Ok(NativeProgram {
                    name: program.name().into(),
                    id: facts.id,
                    tag: format!("{:016x}", facts.tag),
                    instructions: facts.instructions,
                    verified: facts.verified,
                    machine_code: facts.jited,
                })
            })
            .collect()
    }

    #[napi(catch_unwind)]
    pub fn lookup(&self, map: String, key: &[u8]) -> Result<Option<Uint8Array>> {
        Ok(self.map(&map)?.lookup(key).map_err(to_js)?.map(Uint8Array::from))
    }

    #[napi(catch_unwind)]
    pub fn update(&self, map: String, key: &[u8], value: &[u8]) -> Result<()> {
        self.map(&map)?.update(key, value).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn remove(&self, map: String, key: &[u8]) -> Result<bool> {
        self.map(&map)?.delete(key).map_err(to_js)
    }

    /// Keys and values of all elements, one behind the other. Others may change a hash map meanwhile: an element that stays is there once, and none twice.
    #[napi(catch_unwind)]
    pub fn entries(&self, map: String) -> Result<Uint8Array> {
        self.map(&map)?.entries().map(Uint8Array::from).map_err(to_js)
    }

    /// Memory of a map that can be mapped; it stays mapped as long as JavaScript holds the buffer, the object's end notwithstanding.
    #[napi(catch_unwind)]
    pub fn memory<'env>(&self, env: &'env Env, map: String) -> Result<ArrayBuffer<'env>> {
        let memory = self.map(&map)?.memory().map_err(to_js)?;
        let (start, length) = (memory.start(), memory.length());
        // SAFETY: the mapping is as long as it says and lives in the hint until the buffer is collected.
        unsafe { ArrayBuffer::from_external(env, start, length, memory, |_env, memory: MapMemory| drop(memory)) }
    }

    /// Opens a map that is a ring, for its only reader.
    #[napi(catch_unwind)]
    pub fn ring(&self, map: String) -> Result<NativeRing> {
        let map = self.map(&map)?;
        let ring = Ring::open(map.fd(), map.max_entries as usize).map_err(to_js)?;
        Ok(NativeRing { ring, fd: map.fd().as_raw_fd() })
    }

    /// Runs a program on an Ethernet frame. `segment`: octets of payload a segment, 0 for a frame that offload does not cut. `namespace`: of the link that it
    /// comes from.
    #[napi(catch_unwind)]
    pub fn test_run(&self, program: String, frame: &[u8], segment: u32, repeat: u32, namespace: Option<String>) -> Result<NativeOutcome> {
        let namespace = namespace.as_deref().map(Path::new);
        let outcome = self.program(&program)?.test_run(namespace, frame, segment, repeat).map_err(to_js)?;
        Ok(NativeOutcome { verdict: outcome.verdict, duration: outcome.duration, packet: outcome.packet.into() })
    }

    /// Runs a program on some elements of a hash map, about `count`, from a bucket on, and tells it their kind; returns the bucket to go on at, `null` behind the last.
    #[napi(catch_unwind)]
    pub fn run_over(&self, program: String, kind: u8, map: String, from: Option<u32>, count: u32) -> Result<Option<u32>> {
        let (program, map) = (self.program(&program)?, self.map(&map)?);
        let part = map.part(from, count as usize).map_err(to_js)?;
        program.run_on(kind, &part.entries, map.key_size + map.value_size).map_err(to_js)?;
        Ok(part.next)
    }

    /// Attaches a program to packets that come in on a link; a number to detach it by. The kernel may take tens of milliseconds for either.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn attach(&self, options: NativeAttachOptions) -> Result<AsyncTask<Job<u32>>> {
        let NativeAttachOptions { program, namespace, ifindex, pin, uses_tcx, is_xdp, is_netkit, is_first } = options;
        let means = match (is_netkit, is_xdp, uses_tcx) {
            (Some(true), _, _) => Means::Netkit,
            (_, Some(true), _) => Means::Xdp,
            (_, _, true) => Means::Tcx,
            (_, _, false) => Means::Filter,
        };
        let program = self.program(&program)?.share().map_err(to_js)?;
        let attached = Arc::clone(&self.attached);
        Ok(job(move || {
            let (namespace, pin) = (namespace.map(PathBuf::from), pin.map(PathBuf::from));
            let attachment = Attachment::ingress(&program, Place { namespace, ifindex, pin, means, is_first: is_first == Some(true) })?;
            let mut attached = locked(&attached);
            attached.last += 1;
            let number = attached.last;
            attached.attachments.insert(number, Arc::new(attachment));
            Ok(number)
        }))
    }

    /// Moves a program from a filter to tcx while packets pass; the number stays. Where this fails the filter goes on.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn move_to_tcx(&self, number: u32, program: String) -> Result<AsyncTask<Job<()>>> {
        let program = self.program(&program)?.share().map_err(to_js)?;
        let attached = Arc::clone(&self.attached);
        Ok(job(move || {
            let Some(filter) = locked(&attached).attachments.get(&number).map(Arc::clone) else { return Ok(()) };
            let moved = filter.move_to_tcx(&program)?;
            locked(&attached).attachments.insert(number, Arc::new(moved));
            Ok(())
        }))
    }

    /// Those of the numbers whose programs somebody took away, or whose links are gone.
    #[napi(ts_return_type = "Promise<Array<number>>")]
    pub fn lost(&self, numbers: Vec<u32>) -> AsyncTask<Job<Vec<u32>>> {
        let attached = Arc::clone(&self.attached);
        job(move || {
            let mut lost = Vec::new();
            for number in numbers {
                let Some(attachment) = locked(&attached).attachments.get(&number).map(Arc::clone) else { continue };
                if !attachment.is_there()? {
                    lost.push(number);
                }
            }
            Ok(lost)
        })
    }

    /// Attaches a program anew that somebody took away; the number stays.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn restore(&self, number: u32, program: String) -> Result<AsyncTask<Job<()>>> {
        let program = self.program(&program)?.share().map_err(to_js)?;
        let attached = Arc::clone(&self.attached);
        Ok(job(move || {
            let Some(attachment) = locked(&attached).attachments.get(&number).map(Arc::clone) else { return Ok(()) };
            let restored = attachment.restore(&program)?;
            locked(&attached).attachments.insert(number, Arc::new(restored));
            Ok(())
        }))
    }

    /// The number stays good for another try where this fails.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn detach(&self, number: u32) -> AsyncTask<Job<()>> {
        let attached = Arc::clone(&self.attached);
        job(move || {
            let Some(attachment) = locked(&attached).attachments.get(&number).map(Arc::clone) else { return Ok(()) };
            attachment.detach()?;
            locked(&attached).attachments.remove(&number);
            Ok(())
        })
    }

    /// Gives everything back that is not pinned.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        locked(&self.attached).attachments.clear();
        self.loaded = None;
    }
}
