//! TCP sockets that are made in a network namespace, bound to a device and given options that Node.js does not offer, before it takes them over.

mod authentication;
mod options;

use std::{
    ffi::CStr,
    io,
    mem::zeroed,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

pub use authentication::{AoKey, MAX_KEY, add_ao_key, bits, delete_ao_key, set_md5_key, use_ao_key};
pub use options::{save_syn, set_minimum_ttl, set_ttl, syn_ttl};

use crate::{
    error::{Context, Error, Result},
    netns,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 511;

/// One end of a connection. `zone`: the link of a link-local address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub address: IpAddr,
    pub port: u16,
    pub zone: Option<String>,
}

/// Makes a socket in a namespace; it does not block, and is bound to `device` when one is given.
pub fn open(namespace: Option<&Path>, v6: bool, device: Option<&str>) -> Result<OwnedFd> {
    let socket = netns::within(namespace, move || {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).context(|| "open a TCP socket".into())?;
        socket.set_nonblocking(true).context(|| "open a TCP socket".into())?;
        Ok(socket)
    })?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes())).context(|| format!("bind a TCP socket to '{device}'"))?;
    }
    Ok(socket.into())
}

/// Takes a local address; `reuse` also while connections of a listener that is gone are in TIME_WAIT.
pub fn bind(fd: RawFd, end: &End, reuse: bool) -> Result<()> {
    let address = socket_address(fd, end)?;
    on(
        fd,
        || format!("bind to {} port {}", end.address, end.port),
        |socket| {
            if reuse {
                socket.set_reuse_address(true)?;
            }
            socket.bind(&address)
        },
    )
}

pub fn listen(fd: RawFd) -> Result<()> {
    on(fd, || "listen".into(), |socket| socket.listen(BACKLOG))
}

/// Begins to connect. The socket becomes writable when that is decided; see [`connected`].
pub fn connect(fd: RawFd, end: &End) -> Result<()> {
    let address = socket_address(fd, end)?;
    on(
        fd,
        || format!("connect to {} port {}", end.address, end.port),
        |socket| match socket.connect(&address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            result => result,
        },
    )
}

/// Both ends of a connection, or why it did not come to be.
pub fn connected(fd: RawFd) -> Result<(End, End)> {
    match on(fd, || "connect".into(), |socket| socket.take_error())? {
        Some(error) => Err(Error::from_io(error, "connect")),
        None => ends(fd),
    }
}

/// The next connection of a listener, with both ends; none when none waits.
pub fn accept(fd: RawFd) -> Result<Option<(OwnedFd, End, End)>> {
    let accepted = on(
        fd,
        || "accept a connection".into(),
        |listener| match listener.accept() {
            Err(error) if is_empty(&error) => Ok(None),
            result => {
                let (socket, _) = result?;
                socket.set_nonblocking(true)?;
                Ok(Some(socket))
            }
        },
    )?;
    let Some(socket) = accepted else { return Ok(None) };
    match ends(socket.as_raw_fd()) {
        Ok((local, remote)) => Ok(Some((socket.into(), local, remote))),
        Err(error) if error.errno == libc::ENOTCONN => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a socket is bound.
pub fn local(fd: RawFd) -> Result<End> {
    let address = on(fd, || "look at a socket".into(), |socket| socket.local_addr())?;
    end(fd, &address)
}

fn ends(fd: RawFd) -> Result<(End, End)> {
    let remote = on(fd, || "look at a connection".into(), |socket| socket.peer_addr())?;
    Ok((local(fd)?, end(fd, &remote)?))
}

/// A peer that is gone again takes its place in the queue with it.
fn is_empty(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

fn end(fd: RawFd, address: &SockAddr) -> Result<End> {
    match address.as_socket() {
        Some(SocketAddr::V4(v4)) => Ok(End { address: IpAddr::V4(*v4.ip()), port: v4.port(), zone: None }),
        Some(SocketAddr::V6(v6)) => {
            let zone = if v6.scope_id() == 0 { None } else { Some(link_name(fd, v6.scope_id())?) };
            Ok(End { address: IpAddr::V6(*v6.ip()), port: v6.port(), zone })
        }
        None => Err(Error::new(libc::EAFNOSUPPORT, "look at a socket", "it is none of IP")),
    }
}

fn socket_address(fd: RawFd, end: &End) -> Result<SockAddr> {
    match end.address {
        IpAddr::V4(address) => Ok(SocketAddr::new(address.into(), end.port).into()),
        IpAddr::V6(address) => {
            let scope = end.zone.as_deref().map_or(Ok(0), |name| link_index(fd, name))?;
            Ok(SocketAddrV6::new(address, end.port, 0, scope).into())
        }
    }
}

/// Index of a link of the namespace that the socket is in, which need not be the thread's.
fn link_index(fd: RawFd, name: &str) -> Result<u32> {
    let operation = || format!("find link '{name}'");
    // SAFETY: a request is plain data.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(Error::invalid(operation(), "not a name of a link"));
    }
    for (slot, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = octet as libc::c_char;
    }
    // SAFETY: the request is a valid `ifreq`, which the kernel reads and fills; on success it has written the index.
    let index = unsafe {
        if libc::ioctl(fd, libc::SIOCGIFINDEX, &raw mut request) < 0 {
            return Err(Error::last(operation()));
        }
        request.ifr_ifru.ifru_ifindex
    };
    Ok(index as u32)
}

/// Name of a link of the namespace that the socket is in.
fn link_name(fd: RawFd, index: u32) -> Result<String> {
    // SAFETY: a request is plain data.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_ifru.ifru_ifindex = index as i32;
    // SAFETY: the request is a valid `ifreq`; on success the kernel has written a name with its NUL.
    let name = unsafe {
        if libc::ioctl(fd, libc::SIOCGIFNAME, &raw mut request) < 0 {
            return Err(Error::last(format!("find the link of index {index}")));
        }
        CStr::from_ptr(request.ifr_name.as_ptr())
    };
    Ok(name.to_string_lossy().into_owned())
}

fn on<T>(fd: RawFd, operation: impl FnOnce() -> String, work: impl FnOnce(&Socket) -> io::Result<T>) -> Result<T> {
    if fd < 0 {
        return Err(Error::from_errno(libc::EBADF, operation()));
    }
    // SAFETY: the number is not -1; the kernel checks it on each call, and nothing else is assumed of it.
    let descriptor = unsafe { BorrowedFd::borrow_raw(fd) };
    work(&SockRef::from(&descriptor)).context(operation)
}
