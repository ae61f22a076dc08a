//! What a dataplane needs of its host besides an object: locks, the BPF file system, flags of devices, probes.

use std::path::Path;

use heddle_ebpf_core::{
    attached, bpffs, device, grace, link, lock,
    lock::Lock,
    probe,
    vxlan::{self, Merged, Vrf},
};
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    error::to_js,
    job::{Job, job},
};

#[napi(object)]
pub struct NativeFeature {
    pub name: String,
    /// Empty when the feature is there.
    pub reason: String,
}

/// Tries every feature; changes nothing.
#[napi(catch_unwind)]
pub fn probe_features() -> Vec<NativeFeature> {
    probe::probe().into_iter().map(|feature| NativeFeature { name: feature.name.into(), reason: feature.reason }).collect()
}

/// Version of the package that this belongs to.
#[napi(catch_unwind)]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Held until it is released or the process ends.
#[napi]
pub struct NativeLock {
    lock: Option<Lock>,
}

#[napi(catch_unwind)]
pub fn lock_take(namespace: Option<String>, name: String) -> Result<NativeLock> {
    Ok(NativeLock { lock: Some(lock::take(namespace.as_deref().map(Path::new), &name).map_err(to_js)?) })
}

/// Number of the socket by which somebody has a lock of `lock_take`, as in the links of `/proc/PID/fd`; `null` while nobody has it.
#[napi(catch_unwind)]
pub fn lock_socket(namespace: Option<String>, name: String) -> Result<Option<f64>> {
    let number = lock::socket_of(namespace.as_deref().map(Path::new), &name).map_err(to_js)?;
    Ok(number.map(|number| number as f64))
}

/// The lock of a directory of pins, whichever network namespace it is taken from.
#[napi(catch_unwind)]
pub fn lock_pins(folder: String) -> Result<NativeLock> {
    Ok(NativeLock { lock: Some(lock::take_pins(Path::new(&folder)).map_err(to_js)?) })
}

#[napi]
impl NativeLock {
    #[napi(catch_unwind)]
    pub fn release(&mut self) {
        self.lock = None;
    }
}

/// A program of whoever on a link.
#[napi(object)]
pub struct NativeAttached {
    /// 0 for one that the kernel does not number.
    pub id: u32,
    /// Empty where the kernel does not tell it.
    pub name: String,
    /// `xdp`, `generic xdp`, `offloaded xdp`, `tcx` or `clsact`.
    pub how: String,
    /// Whether it is a filter in the place of dataplanes, whichever made it.
    pub is_ours: bool,
}

/// Programs on packets that come in on a link, the first to see them first.
#[napi(catch_unwind)]
pub fn programs_on(namespace: Option<String>, ifindex: u32) -> Result<Vec<NativeAttached>> {
    found_on(namespace, ifindex).map_err(to_js)
}

/// As `programs_on`, beside everything else.
#[napi(ts_return_type = "Promise<Array<NativeAttached>>")]
pub fn programs_found(namespace: Option<String>, ifindex: u32) -> AsyncTask<Job<Vec<NativeAttached>>> {
    job(move || found_on(namespace, ifindex))
}

fn found_on(namespace: Option<String>, ifindex: u32) -> heddle_ebpf_core::Result<Vec<NativeAttached>> {
    let found = attached::on_link(namespace.as_deref().map(Path::new), ifindex)?;
    Ok(found
        .into_iter()
        .map(|attached::Attached { id, name, how, is_ours }| NativeAttached { id, name, how: how.into(), is_ours })
        .collect())
}

/// Ends a filter that whichever dataplane has left on a link, the qdisc that was made for it, and what is pinned at `pin`.
#[napi(ts_return_type = "Promise<void>")]
pub fn filter_end(namespace: Option<String>, ifindex: u32, pin: Option<String>) -> AsyncTask<Job<()>> {
    job(move || link::end_filter(namespace.as_deref().map(Path::new), ifindex, pin.as_deref().map(Path::new)))
}

/// Returns when no program runs any more that ran when it was called; after milliseconds, or tens of them.
#[napi(catch_unwind)]
pub fn wait_for_programs() -> Result<()> {
    grace::wait_for_programs().map_err(to_js)
}

/// As `wait_for_programs`, beside everything else.
#[napi(ts_return_type = "Promise<void>")]
pub fn programs_passed() -> AsyncTask<Job<()>> {
    job(grace::wait_for_programs)
}

/// Makes a directory on a BPF file system, mounting one if need be; whether it was mounted. One that is mounted has a directory `mark` in it.
#[napi(catch_unwind)]
pub fn bpffs_ensure(folder: String, mark: String) -> Result<bool> {
    bpffs::ensure(Path::new(&folder), &mark).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn bpffs_release(folder: String) -> Result<()> {
    bpffs::release(Path::new(&folder)).map_err(to_js)
}

/// Makes a device an endpoint's end: without offload of tunnels.
#[napi(ts_return_type = "Promise<void>")]
pub fn device_make_endpoint(namespace: Option<String>, link: String) -> AsyncTask<Job<()>> {
    job(move || device::make_endpoint(namespace.as_deref().map(Path::new), &link))
}

/// Families, 4 and 6, of which the host forwards what comes in by a link.
#[napi(catch_unwind)]
pub fn device_forwarding(namespace: Option<String>, link: String) -> Result<Vec<u32>> {
    device::forwarding(namespace.as_deref().map(Path::new), &link).map_err(to_js)
}

/// Whether a device takes tags of VLANs out of the frames that it receives, so that they lie beside them.
#[napi(ts_return_type = "Promise<boolean>")]
pub fn device_takes_tags(namespace: Option<String>, link: String) -> AsyncTask<Job<bool>> {
    job(move || device::takes_tags(namespace.as_deref().map(Path::new), &link))
}

/// A VRF device, by its index and that of a link in it.
#[napi(object)]
pub struct NativeVrf {
    pub link: u32,
    pub vrf: u32,
}

/// Has the kernel merge the segments of TCP streams that come in, by a device called `name`: those in VXLAN, or those behind joint labels. `vrf`: that they come
/// in by, if they come by one.
#[napi(ts_return_type = "Promise<void>")]
pub fn merger_ensure(namespace: Option<String>, name: String, is_joint: bool, vrf: Option<NativeVrf>) -> AsyncTask<Job<()>> {
    let merged = if is_joint { Merged::Joint } else { Merged::Vxlan };
    let vrf = vrf.map(|NativeVrf { link, vrf }| Vrf { link, index: vrf });
    job(move || vxlan::ensure(namespace.as_deref().map(Path::new), &name, merged, vrf))
}

#[napi(ts_return_type = "Promise<void>")]
pub fn merger_remove(namespace: Option<String>, name: String) -> AsyncTask<Job<()>> {
    job(move || vxlan::remove(namespace.as_deref().map(Path::new), &name))
}

/// Takes away every such device whose name begins and ends like that.
#[napi(ts_return_type = "Promise<void>")]
pub fn mergers_remove(namespace: Option<String>, beginning: String, end: String) -> AsyncTask<Job<()>> {
    job(move || vxlan::remove_all(namespace.as_deref().map(Path::new), &beginning, &end))
}
