//! TUN and TAP devices: made inside any network namespace, their descriptor held here, read and written in batches.

use std::{
    ffi::CString,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
    sync::OnceLock,
};

use rustix::io::Errno;
use tun_rs::{DeviceBuilder, Layer};

use crate::{
    couple::{Coupled, MAX_PIECES, train_of},
    error::{Context, Error, Result},
    netlink::{LinkSetup, check_link_name, exchange::Exchange, setup::set_up},
    netns,
    offload::{self, ETHERNET, HEADER, Shape},
    train::{MAX_HEADERS, MAX_PACKET, Train},
};

/// Words of a descriptor of [`TunDevice::read`] and [`TunDevice::write`].
pub mod descriptor {
    /// Words of a descriptor.
    pub const WORDS: usize = 8;
    /// Octets from the start of the buffer to the packet.
    pub const OFFSET: usize = 0;
    /// Octets of the packet, or frame; of a train, of its headers and all of its payload.
    pub const LENGTH: usize = 1;
    /// Octets of a train's IP and transport headers; 0 for a single packet.
    pub const HEADERS: usize = 2;
    /// Written: 0, or the error number of this packet.
    pub const STATUS: usize = 3;
    /// Octets of payload in each packet of a train but the last.
    pub const SIZE: usize = 4;
    /// Octets from one piece of a train's payload to the next.
    pub const STRIDE: usize = 5;
}

/// Octets between packets that are read into one buffer: where they start they are on a line of the cache.
const ALIGNMENT: usize = 64;

/// Room that a frame has at least: what it asks is answered in its place, by as many octets as an advertisement of a neighbour has.
const FRAME_ROOM: usize = 96;

/// Limit of a segment: its packets, each with its own headers and those of a tunnel, are one message of UDP, which carries 65,507 octets. With 64 KiB
/// the last two of 46 packets were a message of their own.
const LARGEST_SEGMENT: u32 = 62_800;

/// Whether the device may or must exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TunMode {
    /// Makes it; `EEXIST` when there is one.
    #[default]
    Create,
    /// Takes an existing persistent one; `ENODEV` when there is none.
    Attach,
    Either,
}

#[derive(Debug, Clone, Default)]
pub struct TunOptions {
    pub name: String,
    pub mode: TunMode,
    /// Several descriptors (queues) may be open on the device.
    pub multi_queue: bool,
    /// A TAP device: Ethernet frames instead of IP packets.
    pub ethernet: bool,
    /// Segmentation and checksum offload; off means complete packets only.
    pub offload: bool,
    /// The device outlives its last descriptor.
    pub persist: bool,
}

/// One queue of a TUN or TAP device.
pub struct TunDevice {
    fd: OwnedFd,
    name: String,
    index: u32,
    /// Octets before an IP packet: the header of the link.
    link: usize,
    offload: bool,
    udp_offload: bool,
    dropped: u64,
}

const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNGETIFF: libc::c_ulong = 0x8004_54d2;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;

impl TunDevice {
    /// Makes or attaches a device in the namespace at `path` and sets it up. On an error nothing stays of one that was made.
    pub fn open(path: Option<&Path>, options: TunOptions, setup: LinkSetup) -> Result<Self> {
        netns::within(path, move || {
            let (device, is_new) = Self::open_here(&options)?;
            let done = Exchange::open().and_then(|mut exchange| {
                let gso_max_size = (options.offload && options.mode != TunMode::Attach).then_some(LARGEST_SEGMENT);
                // Of what was just made, nothing is to be taken away.
                let only_these = setup.only_these && !is_new;
                set_up(&mut exchange, device.index, &LinkSetup { gso_max_size, only_these, ..setup })
            });
            if let Err(error) = done {
                if is_new && options.persist {
                    let _ = device.set_persist(false);
                }
                return Err(error);
            }
            Ok(device)
        })
    }

    /// The device, and whether it was made.
    fn open_here(options: &TunOptions) -> Result<(Self, bool)> {
        let name = &options.name;
        let operation = || format!("open TUN device '{name}'");
        check_link_name(name)?;
        let exists = index_of(name).is_some();
        match (options.mode, exists) {
            (TunMode::Create, true) => return Err(Error::from_errno(libc::EEXIST, operation())),
            (TunMode::Attach, false) => return Err(Error::from_errno(libc::ENODEV, operation())),
            _ => {}
        }
        let device = DeviceBuilder::new()
            .name(name)
            .layer(if options.ethernet { Layer::L2 } else { Layer::L3 })
            .offload(options.offload)
            .multi_queue(options.multi_queue)
            .packet_information(false)
            .inherit_enable_state()
            .build_sync()
            .context(operation)?;
        let udp_offload = device.udp_gso();
        // SAFETY: the device gives its descriptor away.
        let fd = unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) };
        if options.offload {
            // A device attached again may have been set to another size of header.
            ioctl(&fd, TUNSETVNETHDRSZ, &(HEADER as libc::c_int)).context(operation)?;
        }
        if options.persist {
            ioctl_value(&fd, TUNSETPERSIST, 1).context(operation)?;
        }
        let link = if options.ethernet { ETHERNET } else { 0 };
        Ok((Self::finish(fd, name.clone(), link, options.offload, udp_offload)?, !exists))
    }

    /// Wraps a descriptor that came from elsewhere, e.g. over a UNIX socket.
    ///
    /// `offload` says whether the device was opened with it.
    pub fn from_fd(fd: OwnedFd, path: Option<&Path>, offload: bool) -> Result<Self> {
        // SAFETY: zero is a valid content of the request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        ioctl(&fd, TUNGETIFF, &raw mut request).context(|| "adopt a TUN descriptor".into())?;
        let octets = request.ifr_name.iter().take_while(|octet| **octet != 0).map(|octet| octet.to_ne_bytes()[0]).collect();
        let name = String::from_utf8(octets).map_err(|_| Error::invalid("adopt a TUN descriptor", "its name is not UTF-8"))?;
        // SAFETY: TUNGETIFF fills the flags.
        let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
        if offload != (flags & libc::IFF_VNET_HDR != 0) {
            return Err(Error::invalid(format!("adopt the descriptor of TUN device '{name}'"), "offload is not as it was opened"));
        }
        let udp = offload && takes_udp_offload(&fd);
        let link = if flags & libc::IFF_TAP != 0 { ETHERNET } else { 0 };
        match path {
            None => Self::finish(fd, name, link, offload, udp),
            Some(_) => netns::within(path, move || Self::finish(fd, name, link, offload, udp)),
        }
    }

    fn finish(fd: OwnedFd, name: String, link: usize, offload: bool, udp_offload: bool) -> Result<Self> {
        let operation = || format!("open TUN device '{name}'");
        let flags = rustix::fs::fcntl_getfl(&fd).context(operation)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK).context(operation)?;
        let index = index_of(&name).unwrap_or(0);
        Ok(Self { fd, name, index, link, offload, udp_offload, dropped: 0 })
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Index of the link in its namespace; 0 when a descriptor was adopted without naming the namespace.
    pub fn index(&self) -> u32 {
        self.index
    }

    pub fn offload(&self) -> bool {
        self.offload
    }

    /// Whether it is a TAP device, of Ethernet frames.
    pub fn ethernet(&self) -> bool {
        self.link > 0
    }

    /// Packets that could not be used: their offload data contradicted them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the device stays when its last descriptor is closed.
    pub fn set_persist(&self, persist: bool) -> Result<()> {
        ioctl_value(&self.fd, TUNSETPERSIST, libc::c_ulong::from(persist))
            .context(|| format!("set persistence of TUN device '{}'", self.name))
    }

    /// Reads packets one behind the other, each behind `headroom` octets, until none waits, descriptors run out, or the buffer has no room for
    /// another one of any size.
    pub fn read(&mut self, buffer: &mut [u8], headroom: usize, descriptors: &mut [u32]) -> Result<usize> {
        let most = descriptors.len() / descriptor::WORDS;
        if most == 0 || buffer.len() < headroom + MAX_PACKET {
            return Err(Error::invalid(
                self.operation("read from"),
                format!("a buffer of {} octets and {most} descriptors hold no packet behind {headroom}", buffer.len()),
            ));
        }
        let least = if self.link > 0 { FRAME_ROOM } else { 0 };
        let (mut filled, mut at) = (0, headroom);
        while filled < most && at + MAX_PACKET <= buffer.len() {
            let mut header = [0; HEADER];
            let packet = &mut buffer[at..at + MAX_PACKET];
            let result = if self.offload {
                rustix::io::readv(&self.fd, &mut [IoSliceMut::new(&mut header), IoSliceMut::new(packet)])
            } else {
                rustix::io::read(&self.fd, &mut *packet)
            };
            let length = match result {
                Ok(length) if self.offload => length.saturating_sub(HEADER),
                Ok(length) => length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(errno) => return finish(filled, errno, self.operation("read from")),
            };
            let shape = if self.offload { offload::open(header, &mut packet[..length], self.link) } else { Some(Shape::Whole) };
            let Some(shape) = shape else {
                self.dropped += 1;
                continue;
            };
            describe(descriptors, filled, at, length, shape);
            filled += 1;
            at = (at + length.max(least)).next_multiple_of(ALIGNMENT) + headroom.next_multiple_of(ALIGNMENT);
        }
        Ok(filled)
    }

    /// Writes the packets of `count` descriptors; returns how many were dealt with, fewer when the device takes no more now.
    ///
    /// A train goes as one large segment, its headers written anew in the buffer, or packet by packet where the device does not take it. A packet
    /// that the kernel refuses has its error number in its descriptor and does not stop the others.
    pub fn write(&mut self, buffer: &mut [u8], descriptors: &mut [u32], count: usize) -> Result<usize> {
        let count = count.min(descriptors.len() / descriptor::WORDS);
        for words in descriptors[..count * descriptor::WORDS].chunks_exact(descriptor::WORDS) {
            let (offset, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
            let is_train = words[descriptor::HEADERS] != 0;
            let fits = offset + length <= buffer.len() && length > self.link && length <= self.link + MAX_PACKET;
            if !fits || is_train && train_of(buffer, words, self.link).is_none() {
                return Err(Error::invalid(
                    self.operation("write to"),
                    format!("a packet of {length} octets at {offset} in a buffer of {}", buffer.len()),
                ));
            }
        }
        let mut at = 0;
        while at < count {
            let rest = &mut descriptors[at * descriptor::WORDS..count * descriptor::WORDS];
            let (offset, length) = (rest[descriptor::OFFSET] as usize, rest[descriptor::LENGTH] as usize);
            let (result, done) = if rest[descriptor::HEADERS] == 0 {
                (self.write_one(&[IoSlice::new(&buffer[offset..offset + length])]), 1)
            } else {
                self.write_train(buffer, rest)
            };
            let status = match result {
                Ok(()) => 0,
                Err(Errno::AGAIN) => return Ok(at),
                Err(errno) => errno.raw_os_error().cast_unsigned(),
            };
            for words in rest.chunks_exact_mut(descriptor::WORDS).take(done) {
                words[descriptor::STATUS] = status;
            }
            at += done;
        }
        Ok(count)
    }

    fn operation(&self, what: &str) -> String {
        format!("{what} TUN device '{}'", self.name)
    }

    fn write_one(&self, packet: &[IoSlice<'_>]) -> rustix::io::Result<()> {
        if !self.offload {
            return retry_io(|| rustix::io::writev(&self.fd, packet)).map(drop);
        }
        let header = [0; HEADER];
        match *packet {
            [one] => retry_io(|| rustix::io::writev(&self.fd, &[IoSlice::new(&header), one])).map(drop),
            [headers, payload] => retry_io(|| rustix::io::writev(&self.fd, &[IoSlice::new(&header), headers, payload])).map(drop),
            _ => Err(Errno::INVAL),
        }
    }

    /// Writes the train of the first descriptor, and those that continue it; how many it has dealt with.
    fn write_train(&self, buffer: &mut [u8], descriptors: &[u32]) -> (rustix::io::Result<()>, usize) {
        let Some(train) = train_of(buffer, descriptors, self.link) else { return (Err(Errno::INVAL), 1) };
        let start = descriptors[descriptor::OFFSET] as usize;
        let is_udp = offload::close(&train, &buffer[start + self.link..], self.link).is_some_and(|header| offload::is_udp(&header));
        let coupled = if !self.offload || is_udp && !self.udp_offload { None } else { Coupled::read(buffer, descriptors, self.link) };
        let Some(coupled) = coupled else { return (self.write_apart(&train, &buffer[start..]), 1) };
        let ip = &mut buffer[start + self.link..];
        coupled.train.write_large_headers(ip);
        let Some(header) = offload::close(&coupled.train, ip, self.link) else { return (Err(Errno::INVAL), 1) };
        let mut vectors = [IoSlice::new(&[]); MAX_PIECES + 2];
        let used = coupled.vectors(&header, buffer, &mut vectors);
        (retry_io(|| rustix::io::writev(&self.fd, &vectors[..used])).map(drop), coupled.count)
    }

    /// Packet by packet. What the device takes no more of is dropped, as a full queue drops.
    fn write_apart(&self, train: &Train, frame: &[u8]) -> rustix::io::Result<()> {
        let mut headers = [0; ETHERNET + MAX_HEADERS];
        let end = self.link + train.headers;
        headers[..self.link].copy_from_slice(&frame[..self.link]);
        let ip = &frame[self.link..];
        for index in 0..train.packets() {
            train.write_headers(ip, index, &mut headers[self.link..]);
            self.write_one(&[IoSlice::new(&headers[..end]), IoSlice::new(&ip[train.piece(index)])])?;
        }
        Ok(())
    }
}

fn describe(descriptors: &mut [u32], index: usize, offset: usize, length: usize, shape: Shape) {
    let words = &mut descriptors[index * descriptor::WORDS..(index + 1) * descriptor::WORDS];
    words[descriptor::OFFSET] = offset as u32;
    words[descriptor::LENGTH] = length as u32;
    words[descriptor::STATUS] = 0;
    let (headers, size, stride) = match shape {
        Shape::Whole => (0, 0, 0),
        Shape::Large(Train { headers, size, stride, .. }) => (headers, size, stride),
    };
    words[descriptor::HEADERS] = headers as u32;
    words[descriptor::SIZE] = size as u32;
    words[descriptor::STRIDE] = stride as u32;
}

/// What was read before an error is handed over; the error comes again with the next call.
fn finish(filled: usize, errno: Errno, operation: String) -> Result<usize> {
    if filled > 0 { Ok(filled) } else { Err(Error::from_io(errno.into(), operation)) }
}

fn retry_io(mut call: impl FnMut() -> rustix::io::Result<usize>) -> rustix::io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Whether the kernel takes segments of UDP. It says so of any device; asking again would change the device's features, with every listener told.
fn takes_udp_offload(fd: &OwnedFd) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| set_offload(fd, true).is_ok())
}

fn set_offload(fd: &OwnedFd, udp: bool) -> io::Result<()> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    let udp = if udp { libc::TUN_F_USO4 | libc::TUN_F_USO6 } else { 0 };
    ioctl_value(fd, TUNSETOFFLOAD, libc::c_ulong::from(tcp | udp))
}

fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero and is only read.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|index| *index != 0)
}

/// A request with a pointer to `value`, which the request's number must fit.
fn ioctl<T>(fd: &OwnedFd, request: libc::c_ulong, value: *const T) -> io::Result<()> {
    // SAFETY: the callers pair each request with the type that the kernel reads or fills.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A request with a plain number.
fn ioctl_value(fd: &OwnedFd, request: libc::c_ulong, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: these requests take a number, no pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request, value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
