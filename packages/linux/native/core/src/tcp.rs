//! Options of TCP sockets that Node.js does not offer: MD5 signatures (RFC 2385) and the TTL security check (RFC 5082).

use std::{net::IpAddr, os::fd::RawFd};

use crate::{
    datagram::set_option,
    error::{Context, Error, Result},
    socket_address::{SocketAddress, words_from_ip},
};

/// Longest key that the kernel takes.
pub const MAX_KEY: usize = 80;

const TCP_MD5SIG_EXT: libc::c_int = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;

/// `struct tcp_md5sig` of the kernel.
#[repr(C)]
struct Md5Signature {
    address: [u8; 128],
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    index: libc::c_int,
    key: [u8; MAX_KEY],
}

/// Signs and checks segments exchanged with peers in `peer`/`prefix_length`; an empty key ends that.
///
/// A listening socket needs it before the peer connects, a connecting one before it connects.
pub fn set_md5_key(fd: RawFd, peer: IpAddr, prefix_length: u8, key: &[u8]) -> Result<()> {
    let operation = || format!("set the TCP MD5 key for {peer}/{prefix_length}");
    let bits = if peer.is_ipv4() { 32 } else { 128 };
    if key.len() > MAX_KEY || prefix_length > bits {
        return Err(Error::invalid(operation(), format!("keys have at most {MAX_KEY} octets, prefixes at most {bits} bits")));
    }
    let mut signature = Md5Signature {
        address: [0; 128],
        flags: if prefix_length < bits { TCP_MD5SIG_FLAG_PREFIX } else { 0 },
        prefix_length,
        key_length: key.len() as u16,
        index: 0,
        key: [0; MAX_KEY],
    };
    let address = SocketAddress::new(peer.is_ipv6(), words_from_ip(peer), 0, 0);
    // SAFETY: the union is plain octets and smaller than the storage.
    unsafe {
        std::ptr::copy_nonoverlapping(
            std::ptr::from_ref(&address).cast::<u8>(),
            signature.address.as_mut_ptr(),
            SocketAddress::size(peer.is_ipv6()) as usize,
        );
    }
    signature.key[..key.len()].copy_from_slice(key);
    let name = if prefix_length < bits { TCP_MD5SIG_EXT } else { libc::TCP_MD5SIG };
    set_option(fd, libc::IPPROTO_TCP, name, &signature).context(operation)
}

/// Drops segments that arrive with a TTL or hop limit below `minimum`; 0 ends that.
pub fn set_minimum_ttl(fd: RawFd, v6: bool, minimum: u8) -> Result<()> {
    let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT) } else { (libc::IPPROTO_IP, libc::IP_MINTTL) };
    set_option(fd, level, name, &libc::c_int::from(minimum)).context(|| format!("accept only segments of TTL {minimum} and more"))
}

/// TTL or hop limit of what the socket sends.
pub fn set_ttl(fd: RawFd, v6: bool, ttl: u8) -> Result<()> {
    let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) } else { (libc::IPPROTO_IP, libc::IP_TTL) };
    set_option(fd, level, name, &libc::c_int::from(ttl)).context(|| format!("send with TTL {ttl}"))
}
