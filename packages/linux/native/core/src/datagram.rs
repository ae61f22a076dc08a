//! Datagram sockets in batches: UDP with segmentation offload both ways, and raw IP protocols.
//!
//! One system call carries up to [`BATCH`] messages. What is known of each message stands in a descriptor of
//! [`descriptor::WORDS`] words beside the packet buffer; the caller owns both.

use std::{
    io,
    mem::size_of,
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    path::Path,
    ptr,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    control::{CONTROL_SPACE, ControlBuffer, ControlWriter, control_number, each_control},
    error::{Context, Error, Result},
    netns,
    socket_address::{SocketAddress, Words, words_from_octets},
};

/// Messages in one system call.
pub const BATCH: usize = 64;
/// Datagrams that one UDP_SEGMENT message may carry; the limit of kernels before 6.9, kept for all.
pub const MAX_SEGMENTS: usize = 64;
/// Octets of payload that one UDP_SEGMENT message may carry.
pub const MAX_SEGMENTED: usize = 65_000;

/// Words of a descriptor. Addresses are host-order numbers: IPv4 in the first of the four words.
pub mod descriptor {
    /// Words of a descriptor.
    pub const WORDS: usize = 16;
    /// Octets from the start of the buffer to the payload.
    pub const OFFSET: usize = 0;
    /// Octets of payload.
    pub const LENGTH: usize = 1;
    /// Octets of each datagram when the payload is several of them (the last may be shorter), else 0.
    pub const SEGMENT: usize = 2;
    /// Written by both directions: 0, or the error number of this message; EMSGSIZE for a datagram cut off by its slot.
    pub const STATUS: usize = 3;
    /// The other end, four words.
    pub const REMOTE: usize = 4;
    /// Port of the other end; 0 for raw protocols.
    pub const PORT: usize = 8;
    /// TOS or traffic class octet.
    pub const TOS: usize = 9;
    /// TTL or hop limit; 0 when sending means the socket's.
    pub const TTL: usize = 10;
    /// Our address, four words; zero when sending lets the kernel choose.
    pub const LOCAL: usize = 11;
    /// Index of the link it came by, or is to leave by; 0 lets the kernel choose.
    pub const LINK: usize = 15;
}

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
}

/// Message headers and their buffers, made once per socket.
struct Arena {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<SocketAddress>,
    controls: Vec<ControlBuffer>,
    /// First descriptor of each message.
    firsts: Vec<usize>,
}

// SAFETY: the pointers in headers and vectors are only followed during a call that has just written them.
unsafe impl Send for Arena {}

pub struct DatagramSocket {
    socket: Socket,
    v6: bool,
    raw: bool,
    gso: bool,
    keep_header: bool,
    zero_checksum_tx: bool,
    tos: u32,
    connected: bool,
    arena: Box<Arena>,
}

impl DatagramSocket {
    /// Opens, configures and binds a socket in the namespace at `path`.
    pub fn open(path: Option<&Path>, options: DatagramOptions) -> Result<Self> {
        netns::within(path, move || Self::open_here(&options))
    }

    fn open_here(options: &DatagramOptions) -> Result<Self> {
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
            let (level, name) = if v6 { (libc::SOL_UDP, UDP_NO_CHECK6_TX) } else { (libc::SOL_SOCKET, libc::SO_NO_CHECK) };
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
        if let Some(address) = options.bind {
            socket.bind(&address.into()).context(|| operation("bind"))?;
        }
        if let Some(address) = options.connect {
            socket.connect(&address.into()).context(|| operation(&format!("connect to {address}")))?;
        }
        Ok(Self {
            socket,
            v6,
            raw,
            gso: options.gso && !options.zero_checksum_tx,
            keep_header: options.keep_header,
            zero_checksum_tx: options.zero_checksum_tx && !raw,
            tos: u32::from(options.tos.unwrap_or(0)),
            connected: options.connect.is_some(),
            arena: Box::new(Arena::new()),
        })
    }

    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub fn into_fd(self) -> OwnedFd {
        self.socket.into()
    }

    /// Where it is bound in fact.
    pub fn local(&self) -> Result<(IpAddr, u16)> {
        let address = self.socket.local_addr().context(|| "read a socket's address".into())?;
        let address = address.as_socket().ok_or_else(|| Error::invalid("read a socket's address", "not an IP socket"))?;
        Ok((address.ip(), address.port()))
    }

    pub fn is_v6(&self) -> bool {
        self.v6
    }

    /// Receives up to `BATCH` messages into slots of `slot` octets, `headroom` octets behind each slot's start.
    ///
    /// Returns how many messages and descriptors there are; 0 when none waits.
    pub fn receive(&mut self, buffer: &mut [u8], slot: usize, headroom: usize, descriptors: &mut [u32]) -> Result<usize> {
        let operation = || "receive a batch".to_owned();
        if slot <= headroom {
            return Err(Error::invalid(operation(), format!("a slot of {slot} octets has no room behind {headroom}")));
        }
        let count = BATCH.min(buffer.len() / slot).min(descriptors.len() / descriptor::WORDS);
        if count == 0 {
            return Err(Error::invalid(operation(), "the buffer holds no slot or the descriptors no message"));
        }
        let Arena { headers, vectors, names, controls, .. } = &mut *self.arena;
        for k in 0..count {
            let payload = &mut buffer[k * slot + headroom..(k + 1) * slot];
            vectors[k] = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
            let header = &mut headers[k].msg_hdr;
            header.msg_name = ptr::from_mut(&mut names[k]).cast();
            header.msg_namelen = size_of::<SocketAddress>() as libc::socklen_t;
            header.msg_iov = &raw mut vectors[k];
            header.msg_iovlen = 1;
            header.msg_control = controls[k].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_SPACE as _;
            header.msg_flags = 0;
        }
        let received = retry(|| {
            // SAFETY: the first `count` headers point at names, vectors, controls and slots that outlive the call.
            unsafe { libc::recvmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT, ptr::null_mut()) }
        });
        let received = match received {
            Ok(received) => received as usize,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(Error::from_io(error, operation())),
        };
        for k in 0..received {
            let words = &mut descriptors[k * descriptor::WORDS..(k + 1) * descriptor::WORDS];
            words.fill(0);
            let header = &headers[k].msg_hdr;
            let (remote, port) = names[k].read(self.v6);
            words[descriptor::OFFSET] = (k * slot + headroom) as u32;
            words[descriptor::LENGTH] = headers[k].msg_len;
            words[descriptor::STATUS] = if header.msg_flags & libc::MSG_TRUNC != 0 { libc::EMSGSIZE as u32 } else { 0 };
            words[descriptor::REMOTE..descriptor::REMOTE + 4].copy_from_slice(&remote);
            words[descriptor::PORT] = if self.raw { 0 } else { u32::from(port) };
            each_control(&controls[k], header.msg_controllen, |level, kind, value| read_control(words, level, kind, value));
            if self.raw && !self.v6 {
                read_ipv4_header(buffer, words, self.keep_header);
            }
        }
        Ok(received)
    }

    /// Sends the messages of `count` descriptors from `buffer`; returns how many were dealt with, fewer when the socket's queue is full.
    ///
    /// A message that the kernel refuses has its error number in STATUS and does not stop the others.
    pub fn send(&mut self, buffer: &[u8], descriptors: &mut [u32], count: usize) -> Result<usize> {
        let count = count.min(descriptors.len() / descriptor::WORDS);
        self.check(buffer, descriptors, count)?;
        let mut done = 0;
        let mut join = self.gso;
        while done < count {
            let (messages, end) = self.prepare(buffer, descriptors, done, count, join);
            let sent = retry(|| {
                // SAFETY: the first `messages` headers point at names, vectors, controls and payload that outlive the call.
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), self.arena.headers.as_mut_ptr(), messages as u32, libc::MSG_DONTWAIT) }
            });
            match sent {
                Ok(sent) => {
                    let sent = sent as usize;
                    let reached = if sent == messages { end } else { self.arena.firsts[sent] };
                    mark(descriptors, done, reached, 0);
                    done = reached;
                    join = self.gso;
                }
                Err(error) => match error.raw_os_error().unwrap_or(libc::EIO) {
                    libc::EAGAIN | libc::ENOBUFS => return Ok(done),
                    errno => {
                        let reached = if messages > 1 { self.arena.firsts[1] } else { end };
                        if reached - done > 1 {
                            // Datagrams larger than the link's MTU may go in fragments but not joined.
                            join = false;
                            continue;
                        }
                        mark(descriptors, done, reached, errno as u32);
                        done = reached;
                        join = self.gso;
                    }
                },
            }
        }
        Ok(done)
    }

    fn check(&self, buffer: &[u8], descriptors: &[u32], count: usize) -> Result<()> {
        let operation = || "send a batch".to_owned();
        for words in descriptors[..count * descriptor::WORDS].chunks_exact(descriptor::WORDS) {
            let end = u64::from(words[descriptor::OFFSET]) + u64::from(words[descriptor::LENGTH]);
            if end > buffer.len() as u64 {
                return Err(Error::invalid(operation(), format!("a message ends at octet {end} of a buffer of {}", buffer.len())));
            }
            if words[descriptor::SEGMENT] != 0 && (self.raw || words[descriptor::SEGMENT] > u32::from(u16::MAX)) {
                return Err(Error::invalid(operation(), format!("a segment of {} octets cannot be", words[descriptor::SEGMENT])));
            }
            if words[descriptor::SEGMENT] != 0 && self.zero_checksum_tx {
                return Err(Error::invalid(operation(), "a socket that sends zero checksums cannot segment"));
            }
            if words[descriptor::TOS] > 255 || words[descriptor::TTL] > 255 || words[descriptor::PORT] > u32::from(u16::MAX) {
                return Err(Error::invalid(operation(), "TOS, TTL or port of a message is out of range"));
            }
        }
        Ok(())
    }

    /// Fills message headers from descriptor `start` on; returns how many, and the first descriptor that did not fit.
    fn prepare(&mut self, buffer: &[u8], descriptors: &[u32], start: usize, count: usize, join: bool) -> (usize, usize) {
        let Arena { headers, vectors, names, controls, firsts } = &mut *self.arena;
        let (mut messages, mut used, mut at) = (0, 0, start);
        while at < count && messages < BATCH && used < vectors.len() {
            let words = &descriptors[at * descriptor::WORDS..(at + 1) * descriptor::WORDS];
            let run =
                if join { run_length(&descriptors[at * descriptor::WORDS..count * descriptor::WORDS], vectors.len() - used) } else { 1 };
            for k in 0..run {
                let words = &descriptors[(at + k) * descriptor::WORDS..];
                let (offset, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
                vectors[used + k] = libc::iovec { iov_base: buffer[offset..offset + length].as_ptr().cast_mut().cast(), iov_len: length };
            }
            let segment = if run > 1 { words[descriptor::LENGTH] } else { words[descriptor::SEGMENT] };
            let mut control = ControlWriter::new(&mut controls[messages]);
            write_control(&mut control, self.v6, self.tos, words, segment);
            let control_length = control.length();
            names[messages] =
                SocketAddress::new(self.v6, quad(words, descriptor::REMOTE), words[descriptor::PORT] as u16, words[descriptor::LINK]);
            let header = &mut headers[messages].msg_hdr;
            let named = !self.connected || words[descriptor::REMOTE..descriptor::REMOTE + 4] != [0; 4];
            header.msg_name = if named { ptr::from_mut(&mut names[messages]).cast() } else { ptr::null_mut() };
            header.msg_namelen = if named { SocketAddress::size(self.v6) } else { 0 };
            header.msg_iov = &raw mut vectors[used];
            header.msg_iovlen = run as _;
            header.msg_control = if control_length > 0 { controls[messages].0.as_mut_ptr().cast() } else { ptr::null_mut() };
            header.msg_controllen = control_length as _;
            header.msg_flags = 0;
            firsts[messages] = at;
            messages += 1;
            used += run;
            at += run;
        }
        (messages, at)
    }
}

impl Arena {
    fn new() -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: a header of zeros is a valid empty message.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            headers: vec![header; BATCH],
            vectors: vec![vector; BATCH * 8],
            names: vec![SocketAddress::zeroed(); BATCH],
            controls: vec![ControlBuffer([0; CONTROL_SPACE]); BATCH],
            firsts: vec![0; BATCH],
        }
    }
}

const UDP_NO_CHECK6_TX: libc::c_int = 101;
const UDP_NO_CHECK6_RX: libc::c_int = 102;

/// Raw IPv4 sockets hand over the IP header: takes TOS and TTL from it and, unless it is to stay, steps behind it.
fn read_ipv4_header(buffer: &[u8], words: &mut [u32], keep: bool) {
    let start = words[descriptor::OFFSET] as usize;
    let length = words[descriptor::LENGTH] as usize;
    let packet = &buffer[start..start + length];
    if packet.len() < 20 {
        return;
    }
    words[descriptor::TOS] = u32::from(packet[1]);
    words[descriptor::TTL] = u32::from(packet[8]);
    words[descriptor::LOCAL] = u32::from_be_bytes([packet[16], packet[17], packet[18], packet[19]]);
    let size = usize::from(packet[0] & 0xf) * 4;
    if !keep && size >= 20 && size <= packet.len() {
        words[descriptor::OFFSET] += size as u32;
        words[descriptor::LENGTH] -= size as u32;
    }
}

/// How many descriptors from the first on can be one segmented message: same ends and marks, equal lengths, only the last shorter.
fn run_length(descriptors: &[u32], room: usize) -> usize {
    use descriptor::{LENGTH, OFFSET, SEGMENT, STATUS, WORDS};
    let first = &descriptors[..WORDS];
    let size = first[LENGTH];
    if first[SEGMENT] != 0 || size == 0 {
        return 1;
    }
    let mut total = size as usize;
    let mut run = 1;
    for words in descriptors.chunks_exact(WORDS).skip(1) {
        let length = words[LENGTH];
        let same = words.iter().zip(first).enumerate().all(|(k, (a, b))| matches!(k, OFFSET | LENGTH | STATUS) || a == b);
        if !same || length == 0 || length > size || run == MAX_SEGMENTS.min(room) || total + length as usize > MAX_SEGMENTED {
            break;
        }
        total += length as usize;
        run += 1;
        if length < size {
            break;
        }
    }
    run
}

fn quad(words: &[u32], at: usize) -> Words {
    [words[at], words[at + 1], words[at + 2], words[at + 3]]
}

fn mark(descriptors: &mut [u32], from: usize, to: usize, status: u32) {
    for k in from..to {
        descriptors[k * descriptor::WORDS + descriptor::STATUS] = status;
    }
}

fn write_control(control: &mut ControlWriter<'_>, v6: bool, socket_tos: u32, words: &[u32], segment: u32) {
    if segment != 0 {
        control.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment as u16);
    }
    let (tos, ttl) = (words[descriptor::TOS], words[descriptor::TTL]);
    if tos != socket_tos {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) } else { (libc::IPPROTO_IP, libc::IP_TOS) };
        control.push(level, name, tos as libc::c_int);
    }
    if ttl != 0 {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) } else { (libc::IPPROTO_IP, libc::IP_TTL) };
        control.push(level, name, ttl as libc::c_int);
    }
    let local = quad(words, descriptor::LOCAL);
    let link = words[descriptor::LINK];
    if local == [0; 4] && link == 0 {
        return;
    }
    if v6 {
        let address = libc::in6_addr { s6_addr: crate::socket_address::v6_from_words(local).octets() };
        control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: link as _ });
    } else {
        let info = libc::in_pktinfo {
            ipi_ifindex: link as _,
            ipi_spec_dst: libc::in_addr { s_addr: local[0].to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
    }
}

fn read_control(words: &mut [u32], level: libc::c_int, kind: libc::c_int, value: &[u8]) {
    match (level, kind) {
        (libc::SOL_UDP, libc::UDP_GRO) => words[descriptor::SEGMENT] = control_number(value),
        (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => words[descriptor::TOS] = control_number(value),
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => words[descriptor::TTL] = control_number(value),
        // struct in_pktinfo: interface index, local address, destination of the header
        (libc::IPPROTO_IP, libc::IP_PKTINFO) if value.len() >= 12 => {
            words[descriptor::LINK] = control_number(value);
            words[descriptor::LOCAL] = u32::from_be_bytes([value[8], value[9], value[10], value[11]]);
        }
        // struct in6_pktinfo: address, interface index
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if value.len() >= 20 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&value[..16]);
            words[descriptor::LOCAL..descriptor::LOCAL + 4].copy_from_slice(&words_from_octets(octets));
            words[descriptor::LINK] = control_number(&value[16..]);
        }
        _ => {}
    }
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

/// Calls again after a signal.
pub(crate) fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        let result = call();
        if result >= 0 {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Takes ownership of a descriptor that came from elsewhere.
///
/// # Safety
/// `fd` is open and nobody else closes it.
pub unsafe fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: as above.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, port: u32) -> [u32; descriptor::WORDS] {
        let mut words = [0; descriptor::WORDS];
        words[descriptor::LENGTH] = length;
        words[descriptor::PORT] = port;
        words
    }

    #[test]
    fn joins_equal_lengths_to_one_end() {
        let run = |messages: &[[u32; descriptor::WORDS]]| run_length(&messages.concat(), 512);
        assert_eq!(run(&[message(100, 1), message(100, 1), message(100, 2)]), 2);
        assert_eq!(run(&[message(100, 1), message(50, 1), message(50, 1)]), 2);
        assert_eq!(run(&[message(50, 1), message(100, 1)]), 1);
        assert_eq!(run(&[message(0, 1), message(0, 1)]), 1);
        assert_eq!(run(&[message(1, 1); 100]), MAX_SEGMENTS);
        assert_eq!(run(&[message(9000, 1); 10]), 7);
        assert_eq!(run_length(&[message(10, 1); 10].concat(), 3), 3);
    }
}
