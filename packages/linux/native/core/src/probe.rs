//! What this kernel and this process can do, found by trying.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, RawFd},
    path::Path,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{datagram::set_option, tcp};

/// A feature and, where it is missing, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    pub name: &'static str,
    /// Empty when the feature is there.
    pub reason: String,
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;
const CAP_SYS_ADMIN: u32 = 21;

/// Tries every feature; changes nothing.
pub fn probe() -> Vec<Feature> {
    let feature = |name, result: Result<(), String>| Feature { name, reason: result.err().unwrap_or_default() };
    vec![
        feature("tun", open_tun()),
        feature("net-admin", capability(CAP_NET_ADMIN, "CAP_NET_ADMIN")),
        feature("net-raw", capability(CAP_NET_RAW, "CAP_NET_RAW")),
        feature("sys-admin", capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN")),
        feature("udp-segment", udp_option(libc::UDP_SEGMENT, 0, "UDP_SEGMENT, Linux 4.18")),
        feature("udp-gro", udp_option(libc::UDP_GRO, 1, "UDP_GRO, Linux 5.0")),
        feature("mpls", exists("/proc/sys/net/mpls", "the kernel has no MPLS forwarding (mpls_router)")),
        feature("ipv6", exists("/proc/net/if_inet6", "the kernel has no IPv6, or it is disabled")),
        feature("tcp-md5", tcp_key("TCP_MD5SIG", |fd, peer| tcp::set_md5_key(fd, peer, 32, &[]))),
        feature("tcp-ao", tcp_key("TCP_AO_ADD_KEY, Linux 6.7", |fd, peer| tcp::delete_ao_key(fd, peer, 32, 0, 0))),
        feature("raw-gre", socket(Domain::IPV4, Type::RAW, libc::IPPROTO_GRE)),
        feature("packet", socket(Domain::PACKET, Type::DGRAM, 0)),
    ]
}

/// Release of the running kernel, e.g. `6.12.9-amd64`.
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn open_tun() -> Result<(), String> {
    fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").map(drop).map_err(|error| format!("/dev/net/tun: {error}"))
}

fn capability(bit: u32, name: &str) -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    match effective {
        Some(set) if set >> bit & 1 == 1 => Ok(()),
        _ => Err(format!("the process lacks {name}")),
    }
}

fn exists(path: &str, reason: &str) -> Result<(), String> {
    if Path::new(path).exists() { Ok(()) } else { Err(reason.into()) }
}

fn socket(domain: Domain, kind: Type, protocol: i32) -> Result<(), String> {
    Socket::new(domain, kind, Some(Protocol::from(protocol))).map(drop).map_err(|error| error.to_string())
}

fn udp_option(name: i32, value: i32, what: &str) -> Result<(), String> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(|error| error.to_string())?;
    set_option(socket.as_raw_fd(), libc::SOL_UDP, name, &value).map_err(|error| format!("{what}: {error}"))
}

/// Deleting a key that was never set fails in another way where the option is known.
fn tcp_key(what: &str, delete: impl Fn(RawFd, IpAddr) -> crate::Result<()>) -> Result<(), String> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(|error| error.to_string())?;
    match delete(socket.as_raw_fd(), IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        Err(error) if error.errno == libc::ENOPROTOOPT => Err(format!("{what}: {}", error.detail)),
        _ => Ok(()),
    }
}
