//! Proof that segments come from the peer: TCP MD5 signatures (RFC 2385) and TCP-AO (RFC 5925).

use std::{
    mem::{offset_of, size_of},
    net::IpAddr,
    os::fd::RawFd,
};

use crate::{
    datagram::set_option,
    error::{Context, Error, Result},
    socket_address::{SocketAddress, words_from_ip},
};

/// Longest key that the kernel takes.
pub const MAX_KEY: usize = 80;

const TCP_MD5SIG_EXT: libc::c_int = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;
const TCP_AO_ADD_KEY: libc::c_int = 38;
const TCP_AO_DEL_KEY: libc::c_int = 39;
const TCP_AO_INFO: libc::c_int = 40;
/// First bits of the flags of both requests of TCP-AO: the key becomes the current one, and the one that the peer is asked to use.
const AO_SET_CURRENT: u32 = 1;
const AO_SET_RNEXT: u32 = 2;

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

/// `struct tcp_ao_add` of the kernel (Linux 6.7).
#[repr(C, align(8))]
struct AoAdd {
    address: [u8; 128],
    algorithm: [u8; 64],
    index: i32,
    flags: u32,
    reserved: u16,
    prefix_length: u8,
    send_id: u8,
    receive_id: u8,
    mac_length: u8,
    key_flags: u8,
    key_length: u8,
    key: [u8; MAX_KEY],
}

/// `struct tcp_ao_del` of the kernel.
#[repr(C, align(8))]
struct AoDelete {
    address: [u8; 128],
    index: i32,
    flags: u32,
    reserved: u16,
    prefix_length: u8,
    send_id: u8,
    receive_id: u8,
    current_key: u8,
    rnext: u8,
    key_flags: u8,
}

/// `struct tcp_ao_info_opt` of the kernel.
#[repr(C, align(8))]
struct AoInfo {
    flags: u32,
    reserved: u16,
    current_key: u8,
    rnext: u8,
    counters: [u64; 5],
}

// Sizes and offsets of linux/tcp.h; a layout that differs would put keys where the kernel reads something else.
const _: () = {
    assert!(size_of::<Md5Signature>() == 216 && offset_of!(Md5Signature, key) == 136);
    assert!(size_of::<AoAdd>() == 288 && offset_of!(AoAdd, index) == 192 && offset_of!(AoAdd, prefix_length) == 202);
    assert!(offset_of!(AoAdd, key_length) == 207 && offset_of!(AoAdd, key) == 208);
    assert!(size_of::<AoInfo>() == 48 && offset_of!(AoInfo, current_key) == 6);
    assert!(size_of::<AoDelete>() == 144 && offset_of!(AoDelete, prefix_length) == 138);
};

/// A master key tuple (RFC 5925 §3.1).
pub struct AoKey<'a> {
    /// Name of the algorithm in the kernel: `hmac(sha1)` or `cmac(aes128)` (RFC 5926), each with MACs of 12 octets.
    pub algorithm: &'a str,
    pub send_id: u8,
    pub receive_id: u8,
    pub key: &'a [u8],
    /// It signs from now on, and the peer is asked to sign with its like; only on sockets that do not listen.
    pub current: bool,
}

/// Signs and checks segments exchanged with peers in `peer`/`prefix_length`; an empty key ends that.
///
/// A listening socket needs it before the peer connects, a connecting one before it connects.
pub fn set_md5_key(fd: RawFd, peer: IpAddr, prefix_length: u8, key: &[u8]) -> Result<()> {
    let operation = || format!("set the TCP MD5 key for {peer}/{prefix_length}");
    check(peer, prefix_length, key).map_err(|detail| Error::invalid(operation(), detail))?;
    let prefix = prefix_length < bits(peer);
    let mut signature = Md5Signature {
        address: storage(peer),
        flags: if prefix { TCP_MD5SIG_FLAG_PREFIX } else { 0 },
        prefix_length,
        key_length: key.len() as u16,
        index: 0,
        key: [0; MAX_KEY],
    };
    signature.key[..key.len()].copy_from_slice(key);
    let name = if prefix { TCP_MD5SIG_EXT } else { libc::TCP_MD5SIG };
    set_option(fd, libc::IPPROTO_TCP, name, &signature).context(operation)
}

/// Adds a master key for peers in `peer`/`prefix_length`.
pub fn add_ao_key(fd: RawFd, peer: IpAddr, prefix_length: u8, key: &AoKey) -> Result<()> {
    let operation = || format!("add TCP-AO key {}/{} for {peer}/{prefix_length}", key.send_id, key.receive_id);
    let request = ao_add(peer, prefix_length, key).map_err(|detail| Error::invalid(operation(), detail))?;
    set_option(fd, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &request).context(operation)
}

/// Signs with a master key that the socket has from now on, and asks the peer to sign with its like.
pub fn use_ao_key(fd: RawFd, send_id: u8, receive_id: u8) -> Result<()> {
    let flags = AO_SET_CURRENT | AO_SET_RNEXT;
    let request = AoInfo { flags, reserved: 0, current_key: send_id, rnext: receive_id, counters: [0; 5] };
    set_option(fd, libc::IPPROTO_TCP, TCP_AO_INFO, &request).context(|| format!("use TCP-AO key {send_id}/{receive_id}"))
}

/// Takes a master key away.
pub fn delete_ao_key(fd: RawFd, peer: IpAddr, prefix_length: u8, send_id: u8, receive_id: u8) -> Result<()> {
    let request = AoDelete {
        address: storage(peer),
        index: 0,
        flags: 0,
        reserved: 0,
        prefix_length,
        send_id,
        receive_id,
        current_key: 0,
        rnext: 0,
        key_flags: 0,
    };
    let operation = || format!("delete TCP-AO key {send_id}/{receive_id} for {peer}/{prefix_length}");
    set_option(fd, libc::IPPROTO_TCP, TCP_AO_DEL_KEY, &request).context(operation)
}

fn ao_add(peer: IpAddr, prefix_length: u8, key: &AoKey) -> std::result::Result<AoAdd, String> {
    check(peer, prefix_length, key.key)?;
    if key.algorithm.len() >= 64 {
        return Err(format!("'{}' is not an algorithm", key.algorithm));
    }
    let mut request = AoAdd {
        address: storage(peer),
        algorithm: [0; 64],
        index: 0,
        flags: if key.current { AO_SET_CURRENT | AO_SET_RNEXT } else { 0 },
        reserved: 0,
        prefix_length,
        send_id: key.send_id,
        receive_id: key.receive_id,
        mac_length: 12,
        key_flags: 0,
        key_length: key.key.len() as u8,
        key: [0; MAX_KEY],
    };
    request.algorithm[..key.algorithm.len()].copy_from_slice(key.algorithm.as_bytes());
    request.key[..key.key.len()].copy_from_slice(key.key);
    Ok(request)
}

fn check(peer: IpAddr, prefix_length: u8, key: &[u8]) -> std::result::Result<(), String> {
    let bits = bits(peer);
    if key.len() <= MAX_KEY && prefix_length <= bits {
        return Ok(());
    }
    Err(format!("keys have at most {MAX_KEY} octets, prefixes at most {bits} bits"))
}

/// Bits of a prefix that is one address; of an IPv4-mapped one the kernel counts those of the IPv4 address in it.
pub fn bits(peer: IpAddr) -> u8 {
    match peer {
        IpAddr::V4(_) => 32,
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => 32,
        IpAddr::V6(_) => 128,
    }
}

/// A `sockaddr_storage` of the address.
fn storage(peer: IpAddr) -> [u8; 128] {
    let address = SocketAddress::new(peer.is_ipv6(), words_from_ip(peer), 0, 0);
    let mut storage = [0; 128];
    // SAFETY: the union is plain octets and smaller than the storage.
    unsafe {
        let octets = std::ptr::from_ref(&address).cast::<u8>();
        std::ptr::copy_nonoverlapping(octets, storage.as_mut_ptr(), SocketAddress::size(peer.is_ipv6()) as usize);
    }
    storage
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct tcp_ao_add` octet by octet, for kernels that cannot be asked.
    #[test]
    fn lays_a_master_key_out_as_the_kernel_reads_it() {
        let key = AoKey { algorithm: "hmac(sha1)", send_id: 100, receive_id: 101, key: b"secret", current: true };
        let request = ao_add("192.0.2.1".parse().unwrap(), 24, &key).unwrap();
        // SAFETY: the structure is plain data without padding, as its asserted offsets say.
        let octets: [u8; 288] = unsafe { std::mem::transmute(request) };
        let mut expected = [0u8; 288];
        expected[0..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        expected[4..8].copy_from_slice(&[192, 0, 2, 1]);
        expected[128..138].copy_from_slice(b"hmac(sha1)");
        expected[196..200].copy_from_slice(&3u32.to_ne_bytes());
        expected[202..208].copy_from_slice(&[24, 100, 101, 12, 0, 6]);
        expected[208..214].copy_from_slice(b"secret");
        assert_eq!(octets, expected);
    }

    #[test]
    fn refuses_keys_and_prefixes_that_cannot_be() {
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let key = AoKey { algorithm: "hmac(sha1)", send_id: 0, receive_id: 0, key: &[0; 81], current: false };
        assert!(ao_add(peer, 32, &key).is_err());
        assert!(ao_add(peer, 33, &AoKey { key: b"k", ..key }).is_err());
        assert_eq!(set_md5_key(0, "::ffff:192.0.2.1".parse().unwrap(), 33, b"k").unwrap_err().code(), "EINVAL");
    }
}
