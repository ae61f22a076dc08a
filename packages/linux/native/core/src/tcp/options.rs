//! TTL of what is sent, and the least TTL of what is accepted (RFC 5082).

use std::os::fd::RawFd;

use crate::{
    datagram::set_option,
    error::{Context, Error, Result},
};

/// `TCP_SAVE_SYN` and `TCP_SAVED_SYN` (Linux 4.2).
const TCP_SAVE_SYN: libc::c_int = 27;
const TCP_SAVED_SYN: libc::c_int = 28;

/// Drops segments that arrive with a TTL or hop limit below `minimum`; 0 ends that.
pub fn set_minimum_ttl(fd: RawFd, v6: bool, minimum: u8) -> Result<()> {
    let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT) } else { (libc::IPPROTO_IP, libc::IP_MINTTL) };
    set_option(fd, level, name, &libc::c_int::from(minimum)).context(|| format!("accept only segments of TTL {minimum} and more"))
}

/// TTL or hop limit of what the socket sends; 0: as the system is set.
pub fn set_ttl(fd: RawFd, v6: bool, ttl: u8) -> Result<()> {
    let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) } else { (libc::IPPROTO_IP, libc::IP_TTL) };
    let value = if ttl == 0 { -1 } else { libc::c_int::from(ttl) };
    set_option(fd, level, name, &value).context(|| format!("send with TTL {ttl}"))
}

/// Has a listener keep the first packet of each connection; see [`syn_ttl`].
pub fn save_syn(fd: RawFd) -> Result<()> {
    set_option(fd, libc::IPPROTO_TCP, TCP_SAVE_SYN, &1i32).context(|| "keep the SYN of connections".into())
}

/// TTL or hop limit with which the SYN of an accepted connection came; none when its listener did not keep it. Once: the kernel forgets it then.
pub fn syn_ttl(fd: RawFd) -> Result<Option<u8>> {
    let mut header = [0u8; 512];
    let mut size = header.len() as libc::socklen_t;
    // SAFETY: the pointers are to the header and its size, which the kernel fills.
    let result = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, TCP_SAVED_SYN, header.as_mut_ptr().cast(), &raw mut size) };
    if result < 0 {
        return Err(Error::last("look at the SYN of a connection"));
    }
    Ok(ttl_of(&header[..size as usize]))
}

/// TTL of an IPv4 header, hop limit of an IPv6 header.
fn ttl_of(header: &[u8]) -> Option<u8> {
    match header.first()? >> 4 {
        4 => header.get(8).copied(),
        6 => header.get(7).copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ttl_of;

    #[test]
    fn finds_the_ttl_of_both_versions() {
        let v4 = [0x45, 0, 0, 60, 0, 0, 0x40, 0, 255, 6];
        let v6 = [0x60, 0, 0, 0, 0, 40, 6, 64];
        assert_eq!([ttl_of(&v4), ttl_of(&v6), ttl_of(&[]), ttl_of(&v4[..8]), ttl_of(&[0x10; 20])], [Some(255), Some(64), None, None, None]);
    }
}
