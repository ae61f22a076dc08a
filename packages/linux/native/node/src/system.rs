//! Probes, hand-over of descriptors, layouts of descriptors.

use std::{collections::HashMap, os::fd::IntoRawFd, path::Path, time::Duration};

use heddle_linux_core::{datagram, errno, fd_passing, packet, poller, probe, tun, waiter};
use napi::{
    Result,
    bindgen_prelude::{AsyncTask, Uint8Array},
};
use napi_derive::napi;

use crate::{
    error::{invalid, to_js},
    job::{Job, job},
};

#[napi(object)]
pub struct NativeFeature {
    pub name: String,
    /// Empty when the feature is there.
    pub reason: String,
}

#[napi(catch_unwind)]
pub fn probe_features() -> Vec<NativeFeature> {
    probe::probe().into_iter().map(|feature| NativeFeature { name: feature.name.into(), reason: feature.reason }).collect()
}

/// Version of the package that this belongs to.
#[napi(catch_unwind)]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

#[napi(catch_unwind)]
pub fn kernel_release() -> String {
    probe::kernel_release()
}

#[napi(catch_unwind)]
pub fn errno_name(errno: i32) -> String {
    errno::errno_name(errno).into()
}

#[napi(object)]
pub struct NativeHandover {
    pub fds: Vec<i32>,
    pub bytes: Uint8Array,
}

#[napi(ts_return_type = "Promise<void>")]
pub fn descriptors_offer(path: String, fds: Vec<i32>, bytes: &[u8], timeout_milliseconds: u32) -> AsyncTask<Job<()>> {
    let bytes = bytes.to_vec();
    job(move || fd_passing::offer(Path::new(&path), &fds, &bytes, Duration::from_millis(timeout_milliseconds.into())))
}

#[napi(ts_return_type = "Promise<NativeHandover>")]
pub fn descriptors_take(path: String, timeout_milliseconds: u32) -> AsyncTask<Job<NativeHandover>> {
    job(move || {
        let (fds, bytes) = fd_passing::take(Path::new(&path), Duration::from_millis(timeout_milliseconds.into()))?;
        Ok(NativeHandover { fds: fds.into_iter().map(IntoRawFd::into_raw_fd).collect(), bytes: bytes.into() })
    })
}

/// Closes a descriptor that was taken over and is owned by nobody yet.
#[napi(catch_unwind)]
pub fn descriptor_close(fd: i32) -> Result<()> {
    if fd < 3 {
        return Err(invalid("close a descriptor", format!("{fd} is not one that was taken over")));
    }
    // SAFETY: the caller owns the descriptor and gives it up.
    drop(unsafe { datagram::own(fd) });
    Ok(())
}

/// Another descriptor of the same open file, for an owner of its own.
#[napi(catch_unwind)]
pub fn descriptor_duplicate(fd: i32) -> Result<i32> {
    fd_passing::duplicate(fd).map(IntoRawFd::into_raw_fd).map_err(to_js)
}

/// Words of the descriptors and bits of readiness, for the test that compares them with the constants in TypeScript.
#[napi(catch_unwind)]
pub fn layouts() -> HashMap<String, u32> {
    use {datagram::descriptor as d, packet::descriptor as p, tun::descriptor as t};
    let entries = [
        ("datagram.words", d::WORDS),
        ("datagram.offset", d::OFFSET),
        ("datagram.length", d::LENGTH),
        ("datagram.segment", d::SEGMENT),
        ("datagram.status", d::STATUS),
        ("datagram.remote", d::REMOTE),
        ("datagram.port", d::PORT),
        ("datagram.tos", d::TOS),
        ("datagram.ttl", d::TTL),
        ("datagram.local", d::LOCAL),
        ("datagram.link", d::LINK),
        ("datagram.inner", d::INNER),
        ("datagram.headers", d::HEADERS),
        ("datagram.size", d::SIZE),
        ("datagram.stride", d::STRIDE),
        ("packet.words", p::WORDS),
        ("packet.offset", p::OFFSET),
        ("packet.length", p::LENGTH),
        ("packet.etherType", p::ETHER_TYPE),
        ("packet.status", p::STATUS),
        ("packet.macHigh", p::MAC_HIGH),
        ("packet.macLow", p::MAC_LOW),
        ("packet.link", p::LINK),
        ("packet.kind", p::KIND),
        ("tun.words", t::WORDS),
        ("tun.offset", t::OFFSET),
        ("tun.length", t::LENGTH),
        ("tun.headers", t::HEADERS),
        ("tun.status", t::STATUS),
        ("tun.size", t::SIZE),
        ("tun.stride", t::STRIDE),
        ("poller.readable", poller::READABLE as usize),
        ("poller.writable", poller::WRITABLE as usize),
        ("poller.hangUp", poller::HANG_UP as usize),
        ("batch", datagram::BATCH),
        ("waiter.woken", waiter::WOKEN as usize),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value as u32)).collect()
}
