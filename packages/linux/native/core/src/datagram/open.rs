//! Opening and adopting datagram sockets.

use std::{
    ffi::CString,
    io,
    mem::size_of,
    net::{Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{DatagramSocket, Settings};
use crate::error::{Context, Error, Result};

const UDP_NO_CHECK6_TX: libc::c_int = 101;
const UDP_NO_CHECK6_RX: libc::c_int = 102;
const ICMPV6_FILTER: libc::c_int = 1;

/// Path MTU discovery of a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathMtu {
    /// As the system is set.
    #[default]
    System,
    /// Never sets DF; fragments.
    Fragment,
    /// Sets DF and refuses what exceeds the path MTU it knows.
    Discover,
    /// Sets DF and ignores the path MTU (IP_PMTUDISC_PROBE).
    Probe,
}

/// How to open a socket.
#[derive(Debug, Clone, Default)]
pub struct DatagramOptions {
    /// Address and port to bind; the unspecified address says the family only.
    pub bind: Option<SocketAddr>,
    pub v6: bool,
    /// Raw IP protocol number; none for UDP.
    pub protocol: Option<u8>,
    pub connect: Option<SocketAddr>,
    pub reuse_address: bool,
    pub reuse_port: bool,
    /// Receive coalesced datagrams (UDP_GRO).
    pub gro: bool,
    /// Join datagrams of equal length to one end into one message (UDP_SEGMENT).
    pub gso: bool,
    /// Sends zero checksums: SO_NO_CHECK for IPv4, UDP_NO_CHECK6_TX for IPv6.
    pub zero_checksum_tx: bool,
    /// Accepts zero checksums over IPv6 (UDP_NO_CHECK6_RX); IPv4 always does.
    pub zero_checksum_rx: bool,
    pub path_mtu: PathMtu,
    pub tos: Option<u8>,
    pub ttl: Option<u8>,
    pub receive_buffer: Option<u32>,
    pub send_buffer: Option<u32>,
    /// Fill LOCAL and LINK, TOS, TTL of received descriptors.
    pub receive_local: bool,
    pub receive_tos: bool,
    pub receive_ttl: bool,
    /// Raw IPv4: leave the IP header that the kernel hands over in front of the payload.
    pub keep_header: bool,
    /// Name of a link to bind to (SO_BINDTODEVICE).
    pub link: Option<String>,
    /// Groups of IPv6 to join on `link`; what is sent to one does not come back.
    pub groups: Vec<Ipv6Addr>,
    /// ICMPv6: types to receive; all of them when empty.
    pub icmp_types: Vec<u8>,
}

/// Opens, configures and binds a socket in the calling thread's namespace.
pub fn open(options: &DatagramOptions) -> Result<DatagramSocket> {
    let (v6, raw) = (options.v6, options.protocol.is_some());
    let what = describe(options);
    let operation = |step: &str| format!("open {what}: {step}");
    for address in [options.bind, options.connect].into_iter().flatten() {
        if address.is_ipv6() != v6 {
            return Err(Error::invalid(operation("check addresses"), format!("{address} is of the other family")));
        }
    }
    if raw && (options.gro || options.gso) {
        return Err(Error::invalid(operation("check options"), "segmentation offload is for UDP"));
    }
    let (kind, protocol) = match options.protocol {
        Some(protocol) => (Type::RAW, Protocol::from(i32::from(protocol))),
        None => (Type::DGRAM, Protocol::UDP),
    };
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, kind, Some(protocol)).context(|| operation("socket"))?;
    socket.set_nonblocking(true).context(|| operation("nonblocking"))?;
    if v6 && !raw {
        socket.set_only_v6(true).context(|| operation("IPV6_V6ONLY"))?;
    }
    if options.reuse_address {
        socket.set_reuse_address(true).context(|| operation("SO_REUSEADDR"))?;
    }
    if options.reuse_port {
        socket.set_reuse_port(true).context(|| operation("SO_REUSEPORT"))?;
    }
    if let Some(link) = &options.link {
        socket.bind_device(Some(link.as_bytes())).context(|| operation("SO_BINDTODEVICE"))?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size as usize).context(|| operation("SO_RCVBUF"))?;
    }
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size as usize).context(|| operation("SO_SNDBUF"))?;
    }
    if let Some(tos) = options.tos {
        let set = if v6 { socket.set_tclass_v6(u32::from(tos)) } else { socket.set_tos_v4(u32::from(tos)) };
        set.context(|| operation("IP_TOS"))?;
    }
    if let Some(ttl) = options.ttl {
        let set = if v6 { socket.set_unicast_hops_v6(u32::from(ttl)) } else { socket.set_ttl_v4(u32::from(ttl)) };
        set.context(|| operation("IP_TTL"))?;
    }
    let set =
        |level: i32, name: i32, value: i32, step: &str| set_option(socket.as_raw_fd(), level, name, &value).context(|| operation(step));
    let path_mtu = match (options.path_mtu, v6) {
        (PathMtu::System, _) => None,
        (PathMtu::Fragment, _) => Some(libc::IP_PMTUDISC_DONT),
        (PathMtu::Discover, _) => Some(libc::IP_PMTUDISC_DO),
        (PathMtu::Probe, _) => Some(libc::IP_PMTUDISC_PROBE),
    };
    if let Some(value) = path_mtu {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) } else { (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) };
        set(level, name, value, "IP_MTU_DISCOVER")?;
    }
    if options.gro {
        set(libc::SOL_UDP, libc::UDP_GRO, 1, "UDP_GRO")?;
    }
    if !raw && options.zero_checksum_tx {
        let (level, name) = zero_checksum_option(v6);
        set(level, name, 1, "zero checksum when sending")?;
    }
    if !raw && v6 && options.zero_checksum_rx {
        set(libc::SOL_UDP, UDP_NO_CHECK6_RX, 1, "UDP_NO_CHECK6_RX")?;
    }
    if options.receive_local {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
        set(level, name, 1, "IP_PKTINFO")?;
    }
    if options.receive_tos {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS) } else { (libc::IPPROTO_IP, libc::IP_RECVTOS) };
        set(level, name, 1, "IP_RECVTOS")?;
    }
    if options.receive_ttl {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT) } else { (libc::IPPROTO_IP, libc::IP_RECVTTL) };
        set(level, name, 1, "IP_RECVTTL")?;
    }
    if !options.icmp_types.is_empty() {
        receive_icmp_types(&socket, &options.icmp_types).context(|| operation("ICMPV6_FILTER"))?;
    }
    join_groups(&socket, options).context(|| operation("IPV6_ADD_MEMBERSHIP"))?;
    if let Some(address) = options.bind {
        socket.bind(&address.into()).context(|| operation("bind"))?;
    }
    if let Some(address) = options.connect {
        socket.connect(&address.into()).context(|| operation(&format!("connect to {address}")))?;
    }
    let settings = Settings {
        v6,
        raw,
        gso: options.gso && !options.zero_checksum_tx,
        keep_header: options.keep_header,
        zero_checksum_tx: options.zero_checksum_tx && !raw,
        tos: u32::from(options.tos.unwrap_or(0)),
        connected: options.connect.is_some(),
    };
    Ok(DatagramSocket::new(socket, settings))
}

/// Wraps an open UDP or raw socket that came from elsewhere; its options are read back from it.
///
/// `gso` as in [`DatagramOptions`], which the kernel does not remember.
pub fn adopt(fd: OwnedFd, gso: bool) -> Result<DatagramSocket> {
    let operation = || "adopt a datagram socket".to_owned();
    let socket = Socket::from(fd);
    let domain = socket.domain().context(operation)?;
    let is_ip = domain == Domain::IPV4 || domain == Domain::IPV6;
    let raw = socket.r#type().context(operation)? == Type::RAW;
    if !is_ip || !raw && socket.protocol().context(operation)? != Some(Protocol::UDP) {
        return Err(Error::new(libc::EPROTOTYPE, operation(), "it is none"));
    }
    socket.set_nonblocking(true).context(operation)?;
    let v6 = domain == Domain::IPV6;
    let (level, name) = zero_checksum_option(v6);
    let zero_checksum_tx = !raw && get_option(socket.as_raw_fd(), level, name).context(operation)? != 0;
    let tos = if v6 { socket.tclass_v6() } else { socket.tos_v4() }.context(operation)?;
    let connected = socket.peer_addr().is_ok();
    let settings = Settings { v6, raw, gso: gso && !raw && !zero_checksum_tx, keep_header: false, zero_checksum_tx, tos, connected };
    Ok(DatagramSocket::new(socket, settings))
}

fn receive_icmp_types(socket: &Socket, types: &[u8]) -> io::Result<()> {
    // RFC 3542 section 3.2, as Linux has it: a bit that is set keeps the type out.
    let mut filter = [u32::MAX; 8];
    for kind in types {
        filter[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    }
    set_option(socket.as_raw_fd(), libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &filter)
}

fn join_groups(socket: &Socket, options: &DatagramOptions) -> io::Result<()> {
    if options.groups.is_empty() {
        return Ok(());
    }
    let name = CString::new(options.link.as_deref().unwrap_or_default())?;
    // SAFETY: the name is a string that ends with a zero octet, which the call only reads.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    socket.set_multicast_loop_v6(false)?;
    options.groups.iter().try_for_each(|group| socket.join_multicast_v6(group, index))
}

fn zero_checksum_option(v6: bool) -> (libc::c_int, libc::c_int) {
    if v6 { (libc::SOL_UDP, UDP_NO_CHECK6_TX) } else { (libc::SOL_SOCKET, libc::SO_NO_CHECK) }
}

fn describe(options: &DatagramOptions) -> String {
    let what = match options.protocol {
        Some(protocol) => format!("a raw socket of protocol {protocol}"),
        None => "a UDP socket".to_owned(),
    };
    match options.bind {
        Some(address) => format!("{what} on {address}"),
        None => what,
    }
}

pub(crate) fn set_option<T>(fd: RawFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the size describe `value`, which the kernel only reads.
    let result = unsafe { libc::setsockopt(fd, level, name, ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn get_option(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers are to a number and its size, which the kernel fills.
    let result = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
