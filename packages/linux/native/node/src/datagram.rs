//! UDP and raw IP sockets.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use heddle_linux_core::{
    Error as CoreError, Result as CoreResult,
    datagram::{DatagramOptions, DatagramSocket, PathMtu, own, unpack::Framing},
};
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    address::parse_address,
    error::{invalid, to_js},
    job::{Job, job},
    kept::{Kept, keepable, with},
    memory::{Lent, borrow},
    namespace::path,
};

#[napi(object)]
pub struct NativeEnd {
    pub address: String,
    pub port: u16,
}

#[napi(object)]
pub struct NativeDatagramOptions {
    pub namespace: Option<String>,
    pub family: u8,
    pub protocol: Option<u8>,
    pub bind: Option<NativeEnd>,
    pub connect: Option<NativeEnd>,
    pub link: Option<String>,
    pub reuse_address: Option<bool>,
    pub reuse_port: Option<bool>,
    pub gro: Option<bool>,
    pub gso: Option<bool>,
    pub zero_checksum_tx: Option<bool>,
    pub zero_checksum_rx: Option<bool>,
    /// `system`, `fragment`, `discover` or `probe`.
    pub path_mtu: Option<String>,
    pub tos: Option<u8>,
    pub ttl: Option<u8>,
    pub receive_buffer: Option<u32>,
    pub send_buffer: Option<u32>,
    pub receive_local: Option<bool>,
    pub receive_tos: Option<bool>,
    pub receive_ttl: Option<bool>,
    pub keep_header: Option<bool>,
    pub groups: Option<Vec<String>>,
    pub icmp_types: Option<Vec<u8>>,
}

fn end(end: Option<NativeEnd>) -> CoreResult<Option<SocketAddr>> {
    end.map(|end| Ok(SocketAddr::new(parse_address(&end.address, "open a socket")?, end.port))).transpose()
}

fn groups(texts: Vec<String>) -> CoreResult<Vec<Ipv6Addr>> {
    let operation = "join a group";
    let parse = |text: String| match parse_address(&text, operation)? {
        IpAddr::V6(group) if group.is_multicast() => Ok(group),
        address => Err(CoreError::invalid(operation, format!("{address} is no group of IPv6"))),
    };
    texts.into_iter().map(parse).collect()
}

fn convert(options: NativeDatagramOptions) -> CoreResult<DatagramOptions> {
    let yes = |flag: Option<bool>| flag.unwrap_or(false);
    Ok(DatagramOptions {
        bind: end(options.bind)?,
        v6: options.family == 6,
        protocol: options.protocol,
        connect: end(options.connect)?,
        reuse_address: yes(options.reuse_address),
        reuse_port: yes(options.reuse_port),
        gro: yes(options.gro),
        gso: yes(options.gso),
        zero_checksum_tx: yes(options.zero_checksum_tx),
        zero_checksum_rx: yes(options.zero_checksum_rx),
        path_mtu: match options.path_mtu.as_deref() {
            Some("fragment") => PathMtu::Fragment,
            Some("discover") => PathMtu::Discover,
            Some("probe") => PathMtu::Probe,
            _ => PathMtu::System,
        },
        tos: options.tos,
        ttl: options.ttl,
        receive_buffer: options.receive_buffer,
        send_buffer: options.send_buffer,
        receive_local: yes(options.receive_local),
        receive_tos: yes(options.receive_tos),
        receive_ttl: yes(options.receive_ttl),
        keep_header: yes(options.keep_header),
        link: options.link,
        groups: groups(options.groups.unwrap_or_default())?,
        icmp_types: options.icmp_types.unwrap_or_default(),
    })
}

/// A UDP or raw socket.
#[napi]
pub struct NativeDatagram {
    socket: Kept<DatagramSocket>,
}

keepable!(DatagramSocket, "socket");

#[napi(ts_return_type = "Promise<NativeDatagram>")]
pub fn datagram_open(options: NativeDatagramOptions) -> AsyncTask<Job<NativeDatagram>> {
    job(move || {
        let namespace = path(options.namespace.clone());
        DatagramSocket::open(namespace.as_deref(), convert(options)?).map(|socket| NativeDatagram { socket: Kept::new(socket) })
    })
}

/// Takes ownership of the descriptor of a UDP socket.
#[napi(catch_unwind)]
pub fn datagram_from_fd(fd: i32, gso: bool) -> Result<NativeDatagram> {
    if fd < 0 {
        return Err(invalid("adopt a UDP socket", format!("{fd} is no descriptor")));
    }
    // SAFETY: the caller hands the descriptor over; the kernel checks what it is.
    let socket = DatagramSocket::adopt(unsafe { own(fd) }, gso).map_err(to_js)?;
    Ok(NativeDatagram { socket: Kept::new(socket) })
}

/// @param socket number of a `NativeDatagram`
#[napi(catch_unwind)]
pub fn datagram_receive(
    socket: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    slot: u32,
    headroom: u32,
    #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
) -> Result<u32> {
    let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
    with(socket, |socket: &mut DatagramSocket| {
        socket.receive(buffer, slot as usize, headroom as usize, descriptors).map(|count| count as u32).map_err(to_js)
    })
}

/// @param socket number of a `NativeDatagram`; @param room octets of the buffer that are slots, what is behind is for copies; @param vxlan what
/// datagrams carry: VXLAN, or MPLS
#[napi(catch_unwind)]
pub fn datagram_receive_packets(
    socket: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    room: u32,
    slot: u32,
    headroom: u32,
    vxlan: bool,
    #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
) -> Result<u32> {
    let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
    let framing = if vxlan { Framing::Vxlan } else { Framing::Mpls };
    with(socket, |socket: &mut DatagramSocket| {
        let count = socket.receive_packets(buffer, room as usize, slot as usize, headroom as usize, framing, descriptors);
        count.map(|count| count as u32).map_err(to_js)
    })
}

/// @param socket number of a `NativeDatagram`; @param program two words an instruction of classic BPF; none takes the filter away
#[napi(catch_unwind)]
pub fn datagram_filter(socket: u32, #[napi(ts_arg_type = "Array<number>")] program: Vec<u32>) -> Result<()> {
    with(socket, |socket: &mut DatagramSocket| socket.filter(&program).map_err(to_js))
}

/// @param socket number of a `NativeDatagram`
#[napi(catch_unwind)]
pub fn datagram_has_waiting(socket: u32) -> Result<bool> {
    with(socket, |socket: &mut DatagramSocket| Ok(socket.has_waiting()))
}

/// @param socket number of a `NativeDatagram`
#[napi(catch_unwind)]
pub fn datagram_send(
    socket: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
    count: u32,
) -> Result<u32> {
    let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
    with(socket, |socket: &mut DatagramSocket| socket.send(buffer, descriptors, count as usize).map(|count| count as u32).map_err(to_js))
}

#[napi]
impl NativeDatagram {
    /// For the functions of a batch, on this thread.
    #[napi(catch_unwind)]
    pub fn number(&mut self) -> Result<u32> {
        self.socket.number()
    }

    #[napi(getter, catch_unwind)]
    pub fn fd(&mut self) -> Result<i32> {
        self.socket.with(|socket| Ok(socket.fd()))
    }

    #[napi(catch_unwind)]
    pub fn local(&mut self) -> Result<NativeEnd> {
        let (address, port) = self.socket.with(|socket| socket.local().map_err(to_js))?;
        Ok(NativeEnd { address: address.to_string(), port })
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        drop(self.socket.take());
    }
}
