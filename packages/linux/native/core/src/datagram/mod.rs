//! Datagram sockets in batches: UDP with segmentation offload both ways, and raw IP protocols.
//!
//! One system call carries up to [`BATCH`] messages. What is known of each message stands in a descriptor of
//! [`descriptor::WORDS`] words beside the packet buffer; the caller owns both.

pub mod descriptor;
mod marks;
mod open;
mod send;
pub mod unpack;

use std::{
    io,
    mem::size_of,
    net::IpAddr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    path::Path,
    ptr,
};

use socket2::Socket;

use self::marks::read_control;
pub(crate) use self::open::set_option;
pub use self::open::{DatagramOptions, PathMtu};
use self::unpack::{Framing, Unpacker};
use crate::{
    control::{CONTROL_SPACE, ControlBuffer, each_control},
    error::{Context, Error, Result},
    netns,
    socket_address::SocketAddress,
    train::MAX_HEADERS,
};

/// Messages in one system call.
pub const BATCH: usize = 64;
/// Datagrams that one UDP_SEGMENT message may carry; the limit of kernels before 6.9, kept for all.
pub const MAX_SEGMENTS: usize = 64;
/// Octets of payload that one UDP_SEGMENT message may carry.
pub const MAX_SEGMENTED: usize = 65_000;

/// Message headers and their buffers, made once per socket.
struct Arena {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<SocketAddress>,
    controls: Vec<ControlBuffer>,
    /// Where each message begins.
    firsts: Vec<Place>,
    /// Prefix and headers of packets of trains, one a slot.
    heads: Vec<u8>,
}

/// A descriptor, and of a train the packets before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
struct Place {
    index: usize,
    packet: usize,
}

/// Pieces of payload, headers included, in one system call.
const VECTORS: usize = BATCH * 16;
/// Octets for the prefix and headers of a train's packet: a deep label stack or VXLAN, and the longest headers.
const HEAD: usize = MAX_PREFIX + MAX_HEADERS;
/// Longest tunnel header before a packet of a train; longer ones go packet by packet.
const MAX_PREFIX: usize = 68;

// SAFETY: the pointers in headers and vectors are only followed during a call that has just written them.
unsafe impl Send for Arena {}

/// What sending and receiving have to know of the socket.
struct Settings {
    v6: bool,
    raw: bool,
    gso: bool,
    keep_header: bool,
    zero_checksum_tx: bool,
    tos: u32,
    connected: bool,
}

pub struct DatagramSocket {
    socket: Socket,
    settings: Settings,
    arena: Box<Arena>,
    unpacker: Unpacker,
}

impl DatagramSocket {
    /// Opens, configures and binds a socket in the namespace at `path`.
    pub fn open(path: Option<&Path>, options: DatagramOptions) -> Result<Self> {
        netns::within(path, move || open::open(&options))
    }

    /// Wraps an open UDP socket; see [`open::adopt`].
    pub fn adopt(fd: OwnedFd, gso: bool) -> Result<Self> {
        open::adopt(fd, gso)
    }

    fn new(socket: Socket, settings: Settings) -> Self {
        Self { socket, settings, arena: Box::new(Arena::new()), unpacker: Unpacker::default() }
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

    /// Has the kernel keep what `program` accepts, and nothing else; none: all. Two words an instruction, as `struct sock_filter` has it on a
    /// little-endian machine: code (16 bits), jump if true, jump if false (8 each), and the operand.
    pub fn filter(&self, program: &[u32]) -> Result<()> {
        let operation = || "filter what a socket receives".to_owned();
        let (instructions, []) = program.as_chunks::<2>() else {
            return Err(Error::invalid(operation(), "half an instruction"));
        };
        let mut filter: Vec<libc::sock_filter> = instructions
            .iter()
            .map(|&[word, k]| libc::sock_filter { code: word as u16, jt: (word >> 16) as u8, jf: (word >> 24) as u8, k })
            .collect();
        let fd = self.socket.as_raw_fd();
        if filter.is_empty() {
            return match set_option(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0_i32) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
                result => result.context(operation),
            };
        }
        let length = u16::try_from(filter.len()).map_err(|_| Error::invalid(operation(), "too many instructions"))?;
        let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
        set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program).context(operation)
    }

    pub fn is_v6(&self) -> bool {
        self.settings.v6
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
            let (remote, port) = names[k].read(self.settings.v6);
            words[descriptor::OFFSET] = (k * slot + headroom) as u32;
            words[descriptor::LENGTH] = headers[k].msg_len;
            words[descriptor::STATUS] = if header.msg_flags & libc::MSG_TRUNC != 0 { libc::EMSGSIZE as u32 } else { 0 };
            words[descriptor::REMOTE..descriptor::REMOTE + 4].copy_from_slice(&remote);
            words[descriptor::PORT] = if self.settings.raw { 0 } else { u32::from(port) };
            each_control(&controls[k], header.msg_controllen, |level, kind, value| read_control(words, level, kind, value));
            if self.settings.raw && !self.settings.v6 {
                read_ipv4_header(buffer, words, self.settings.keep_header);
            }
        }
        Ok(received)
    }

    /// As [`Self::receive`], but takes messages apart: a descriptor for each datagram, or train of them, each with `headroom` octets before it.
    ///
    /// Slots are the octets of `buffer` before `room`, what is behind is for copies. What finds no descriptor or room waits in its slot for the
    /// next call.
    pub fn receive_packets(
        &mut self,
        buffer: &mut [u8],
        room: usize,
        slot: usize,
        headroom: usize,
        framing: Framing,
        descriptors: &mut [u32],
    ) -> Result<usize> {
        if room > buffer.len() || buffer.len() - room < headroom + slot || descriptors.len() < descriptor::WORDS {
            return Err(Error::invalid("receive a batch", format!("no room for copies behind {room} of {} octets", buffer.len())));
        }
        if self.unpacker.is_empty() {
            let mut messages = [0; BATCH * descriptor::WORDS];
            let count = self.receive(&mut buffer[..room], slot, headroom, &mut messages)?;
            for words in messages.chunks_exact(descriptor::WORDS).take(count) {
                self.unpacker.push(words);
            }
        }
        Ok(self.unpacker.take(buffer, room, headroom, framing, descriptors))
    }

    /// Whether [`Self::receive_packets`] has more from what was received.
    pub fn has_waiting(&self) -> bool {
        !self.unpacker.is_empty()
    }
}

impl Arena {
    fn new() -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: a header of zeros is a valid empty message.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            headers: vec![header; BATCH],
            vectors: vec![vector; VECTORS],
            names: vec![SocketAddress::zeroed(); BATCH],
            controls: vec![ControlBuffer([0; CONTROL_SPACE]); BATCH],
            firsts: vec![Place::default(); BATCH],
            heads: vec![0; VECTORS / 2 * HEAD],
        }
    }
}

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
