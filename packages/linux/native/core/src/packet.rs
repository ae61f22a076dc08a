//! Packet sockets (AF_PACKET): what a link carries under one EtherType, link-layer addresses beside the payload.

use std::{
    ffi::CString,
    io,
    mem::size_of,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::Path,
    ptr,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    datagram::{BATCH, retry, set_option},
    error::{Context, Error, Result},
    netns,
};

/// Words of a descriptor of [`PacketSocket::receive`] and [`PacketSocket::send`].
pub mod descriptor {
    /// Words of a descriptor.
    pub const WORDS: usize = 8;
    /// Octets from the start of the buffer to the payload behind the link-layer header.
    pub const OFFSET: usize = 0;
    /// Octets of payload.
    pub const LENGTH: usize = 1;
    /// EtherType.
    pub const ETHER_TYPE: usize = 2;
    /// 0, or the error number of this packet; EMSGSIZE for one cut off by its slot.
    pub const STATUS: usize = 3;
    /// First two octets of the other end's MAC address.
    pub const MAC_HIGH: usize = 4;
    /// Last four octets of the other end's MAC address.
    pub const MAC_LOW: usize = 5;
    /// Index of the link.
    pub const LINK: usize = 6;
    /// Received: 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host.
    pub const KIND: usize = 7;
}

#[derive(Debug, Clone, Default)]
pub struct PacketOptions {
    pub link: String,
    pub ether_type: u16,
    /// Also deliver what this host sends.
    pub outgoing: bool,
    /// Link-layer headers are part of what is sent and received.
    pub frames: bool,
    pub receive_buffer: Option<u32>,
}

/// Message headers and their buffers, made once per socket.
struct Arena {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_ll>,
}

// SAFETY: the pointers in headers and vectors are only followed during a call that has just written them.
unsafe impl Send for Arena {}

pub struct PacketSocket {
    socket: Socket,
    index: u32,
    arena: Box<Arena>,
}

const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

impl PacketSocket {
    /// Opens a socket on a link of the namespace at `path`.
    pub fn open(path: Option<&Path>, options: PacketOptions) -> Result<Self> {
        netns::within(path, move || Self::open_here(&options))
    }

    fn open_here(options: &PacketOptions) -> Result<Self> {
        let operation = || format!("open a packet socket on link '{}'", options.link);
        let name = CString::new(options.link.as_str()).map_err(|_| Error::invalid(operation(), "the name holds a zero"))?;
        // SAFETY: the name ends with a zero and is only read.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(Error::from_errno(libc::ENODEV, operation()));
        }
        // Protocol 0 receives nothing until the bind below, so that no other link's packets slip in.
        let kind = if options.frames { Type::RAW } else { Type::DGRAM };
        let socket = Socket::new(Domain::PACKET, kind, Some(Protocol::from(0))).context(operation)?;
        socket.set_nonblocking(true).context(operation)?;
        if let Some(size) = options.receive_buffer {
            socket.set_recv_buffer_size(size as usize).context(operation)?;
        }
        if !options.outgoing {
            set_option(socket.as_raw_fd(), libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1i32).context(operation)?;
        }
        let address = link_address(options.ether_type, index, [0; 2]);
        // SAFETY: pointer and size describe `address`, which the kernel only reads.
        let bound =
            unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
        if bound < 0 {
            return Err(Error::last(operation()));
        }
        Ok(Self { socket, index, arena: Box::new(Arena::new()) })
    }

    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub fn into_fd(self) -> OwnedFd {
        self.socket.into()
    }

    /// Index of the link.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Receives as [`crate::datagram::DatagramSocket::receive`] does.
    pub fn receive(&mut self, buffer: &mut [u8], slot: usize, headroom: usize, descriptors: &mut [u32]) -> Result<usize> {
        let operation = || "receive a batch of packets".to_owned();
        if slot <= headroom {
            return Err(Error::invalid(operation(), format!("a slot of {slot} octets has no room behind {headroom}")));
        }
        let count = BATCH.min(buffer.len() / slot).min(descriptors.len() / descriptor::WORDS);
        if count == 0 {
            return Err(Error::invalid(operation(), "the buffer holds no slot or the descriptors no packet"));
        }
        let Arena { headers, vectors, names } = &mut *self.arena;
        for k in 0..count {
            let payload = &mut buffer[k * slot + headroom..(k + 1) * slot];
            vectors[k] = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
            point(&mut headers[k].msg_hdr, &mut names[k], &mut vectors[k]);
        }
        let received = retry(|| {
            // SAFETY: the first `count` headers point at names, vectors and slots that outlive the call.
            unsafe { libc::recvmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT, ptr::null_mut()) }
        });
        let received = match received {
            Ok(received) => received as usize,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(Error::from_io(error, operation())),
        };
        for k in 0..received {
            let words = &mut descriptors[k * descriptor::WORDS..(k + 1) * descriptor::WORDS];
            let (name, header) = (&names[k], &headers[k].msg_hdr);
            let mac = name.sll_addr;
            words[descriptor::OFFSET] = (k * slot + headroom) as u32;
            words[descriptor::LENGTH] = headers[k].msg_len;
            words[descriptor::ETHER_TYPE] = u32::from(u16::from_be(name.sll_protocol));
            words[descriptor::STATUS] = if header.msg_flags & libc::MSG_TRUNC != 0 { libc::EMSGSIZE as u32 } else { 0 };
            words[descriptor::MAC_HIGH] = u32::from(u16::from_be_bytes([mac[0], mac[1]]));
            words[descriptor::MAC_LOW] = u32::from_be_bytes([mac[2], mac[3], mac[4], mac[5]]);
            words[descriptor::LINK] = name.sll_ifindex.cast_unsigned();
            words[descriptor::KIND] = u32::from(name.sll_pkttype);
        }
        Ok(received)
    }

    /// Sends as [`crate::datagram::DatagramSocket::send`] does; a link of 0 is the socket's.
    pub fn send(&mut self, buffer: &[u8], descriptors: &mut [u32], count: usize) -> Result<usize> {
        let count = count.min(descriptors.len() / descriptor::WORDS);
        for words in descriptors[..count * descriptor::WORDS].chunks_exact(descriptor::WORDS) {
            let end = u64::from(words[descriptor::OFFSET]) + u64::from(words[descriptor::LENGTH]);
            if end > buffer.len() as u64 || words[descriptor::ETHER_TYPE] > 0xffff || words[descriptor::MAC_HIGH] > 0xffff {
                return Err(Error::invalid(
                    "send a batch of packets",
                    format!("a packet ends at octet {end} of a buffer of {}", buffer.len()),
                ));
            }
        }
        let mut done = 0;
        while done < count {
            let Arena { headers, vectors, names } = &mut *self.arena;
            let messages = BATCH.min(count - done);
            for k in 0..messages {
                let words = &descriptors[(done + k) * descriptor::WORDS..];
                let (offset, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
                let link = if words[descriptor::LINK] == 0 { self.index } else { words[descriptor::LINK] };
                names[k] =
                    link_address(words[descriptor::ETHER_TYPE] as u16, link, [words[descriptor::MAC_HIGH], words[descriptor::MAC_LOW]]);
                vectors[k] = libc::iovec { iov_base: buffer[offset..offset + length].as_ptr().cast_mut().cast(), iov_len: length };
                point(&mut headers[k].msg_hdr, &mut names[k], &mut vectors[k]);
            }
            let sent = retry(|| {
                // SAFETY: the first `messages` headers point at names, vectors and payload that outlive the call.
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), messages as u32, libc::MSG_DONTWAIT) }
            });
            let (sent, status) = match sent {
                Ok(sent) => (sent as usize, 0),
                Err(error) => match error.raw_os_error().unwrap_or(libc::EIO) {
                    libc::EAGAIN => return Ok(done),
                    errno => (1, errno),
                },
            };
            for k in done..done + sent {
                descriptors[k * descriptor::WORDS + descriptor::STATUS] = status.cast_unsigned();
            }
            done += sent;
        }
        Ok(done)
    }
}

impl Arena {
    fn new() -> Self {
        // SAFETY: a header of zeros is a valid empty message.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self { headers: vec![header; BATCH], vectors: vec![vector; BATCH], names: vec![link_address(0, 0, [0; 2]); BATCH] }
    }
}

fn point(header: &mut libc::msghdr, name: &mut libc::sockaddr_ll, vector: &mut libc::iovec) {
    header.msg_name = ptr::from_mut(name).cast();
    header.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    header.msg_iov = ptr::from_mut(vector);
    header.msg_iovlen = 1;
    header.msg_control = ptr::null_mut();
    header.msg_controllen = 0;
    header.msg_flags = 0;
}

fn link_address(ether_type: u16, index: u32, mac: [u32; 2]) -> libc::sockaddr_ll {
    let (high, low) = ((mac[0] as u16).to_be_bytes(), mac[1].to_be_bytes());
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: ether_type.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [high[0], high[1], low[0], low[1], low[2], low[3], 0, 0],
    }
}
