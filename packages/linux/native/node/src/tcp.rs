//! TCP sockets, given away as descriptors.

use std::os::fd::IntoRawFd;

use heddle_linux_core::{
    Result as CoreResult,
    tcp::{self, AoKey, End},
};
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    address::parse_address,
    error::to_js,
    job::{Job, job},
    namespace::path,
};

#[napi(object)]
pub struct NativeTcpEnd {
    pub address: String,
    pub port: u16,
    /// Link of a link-local address.
    pub zone: Option<String>,
}

/// A connection that is there, with both ends.
#[napi(object)]
pub struct NativeTcpConnection {
    pub fd: i32,
    pub local: NativeTcpEnd,
    pub remote: NativeTcpEnd,
}

impl From<End> for NativeTcpEnd {
    fn from(End { address, port, zone }: End) -> Self {
        Self { address: address.to_string(), port, zone }
    }
}

impl NativeTcpEnd {
    fn parse(self, operation: &str) -> CoreResult<End> {
        Ok(End { address: parse_address(&self.address, operation)?, port: self.port, zone: self.zone })
    }
}

/// A socket that does not block, in a namespace and bound to a device; the caller owns it.
#[napi(ts_return_type = "Promise<number>")]
pub fn tcp_open(namespace: Option<String>, family: u8, device: Option<String>) -> AsyncTask<Job<i32>> {
    job(move || tcp::open(path(namespace).as_deref(), family == 6, device.as_deref()).map(IntoRawFd::into_raw_fd))
}

#[napi(catch_unwind)]
pub fn tcp_bind(fd: i32, end: NativeTcpEnd, reuse: bool) -> Result<()> {
    end.parse("bind").and_then(|end| tcp::bind(fd, &end, reuse)).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_listen(fd: i32) -> Result<NativeTcpEnd> {
    tcp::listen(fd).and_then(|()| tcp::local(fd)).map(NativeTcpEnd::from).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_connect(fd: i32, end: NativeTcpEnd) -> Result<()> {
    end.parse("connect").and_then(|end| tcp::connect(fd, &end)).map_err(to_js)
}

/// What has become of an attempt, once the socket is writable.
#[napi(catch_unwind)]
pub fn tcp_connected(fd: i32) -> Result<NativeTcpConnection> {
    tcp::connected(fd).map(|(local, remote)| NativeTcpConnection { fd, local: local.into(), remote: remote.into() }).map_err(to_js)
}

/// The next connection of a listener; none when none waits.
#[napi(catch_unwind)]
pub fn tcp_accept(fd: i32) -> Result<Option<NativeTcpConnection>> {
    let accepted = tcp::accept(fd).map_err(to_js)?;
    Ok(accepted.map(|(fd, local, remote)| NativeTcpConnection { fd: fd.into_raw_fd(), local: local.into(), remote: remote.into() }))
}

#[napi(catch_unwind)]
pub fn tcp_set_md5_key(fd: i32, peer: String, prefix_length: Option<u8>, key: &[u8]) -> Result<()> {
    let peer = parse_address(&peer, "set a TCP MD5 key").map_err(to_js)?;
    tcp::set_md5_key(fd, peer, prefix_length.unwrap_or(tcp::bits(peer)), key).map_err(to_js)
}

#[napi(object)]
pub struct NativeAoKey {
    pub algorithm: String,
    pub send_id: u8,
    pub receive_id: u8,
    pub current: bool,
}

#[napi(catch_unwind)]
pub fn tcp_add_ao_key(fd: i32, peer: String, prefix_length: Option<u8>, key: NativeAoKey, secret: &[u8]) -> Result<()> {
    let peer = parse_address(&peer, "add a TCP-AO key").map_err(to_js)?;
    let NativeAoKey { algorithm, send_id, receive_id, current } = &key;
    let key = AoKey { algorithm, send_id: *send_id, receive_id: *receive_id, key: secret, current: *current };
    tcp::add_ao_key(fd, peer, prefix_length.unwrap_or(tcp::bits(peer)), &key).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_use_ao_key(fd: i32, send_id: u8, receive_id: u8) -> Result<()> {
    tcp::use_ao_key(fd, send_id, receive_id).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_delete_ao_key(fd: i32, peer: String, prefix_length: Option<u8>, send_id: u8, receive_id: u8) -> Result<()> {
    let peer = parse_address(&peer, "delete a TCP-AO key").map_err(to_js)?;
    tcp::delete_ao_key(fd, peer, prefix_length.unwrap_or(tcp::bits(peer)), send_id, receive_id).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_set_minimum_ttl(fd: i32, family: u8, minimum: u8) -> Result<()> {
    tcp::set_minimum_ttl(fd, family == 6, minimum).map_err(to_js)
}

#[napi(catch_unwind)]
pub fn tcp_set_ttl(fd: i32, family: u8, ttl: u8) -> Result<()> {
    tcp::set_ttl(fd, family == 6, ttl).map_err(to_js)
}

/// Has a listener keep the SYN of each connection, for `tcp_syn_ttl`.
#[napi(catch_unwind)]
pub fn tcp_save_syn(fd: i32) -> Result<()> {
    tcp::save_syn(fd).map_err(to_js)
}

/// TTL or hop limit with which the SYN of an accepted connection came.
#[napi(catch_unwind)]
pub fn tcp_syn_ttl(fd: i32) -> Result<Option<u8>> {
    tcp::syn_ttl(fd).map_err(to_js)
}
