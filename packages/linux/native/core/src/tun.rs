//! TUN devices: made inside any network namespace, their descriptor held here, read and written in batches.

use std::{
    ffi::CString,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
};

use rustix::io::Errno;
use tun_rs::DeviceBuilder;

use crate::{
    error::{Context, Error, Result},
    netlink::check_link_name,
    netns,
    offload::{self, HEADER, Joiner, MAX_PACKET, Overflow, Shape},
};

/// Words of a descriptor of [`TunDevice::read`] and [`TunDevice::write`].
pub mod descriptor {
    /// Words of a descriptor.
    pub const WORDS: usize = 4;
    /// Octets from the start of the buffer to the packet.
    pub const OFFSET: usize = 0;
    /// Octets of the packet.
    pub const LENGTH: usize = 1;
    /// Read: how many packets, this one included, follow from one large segment and so are of one flow; 1 for any other.
    pub const RUN: usize = 2;
    /// Written: 0, or the error number of this packet.
    pub const STATUS: usize = 3;
}

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
    /// Segmentation and checksum offload; off means complete packets only.
    pub offload: bool,
    /// The device outlives its last descriptor.
    pub persist: bool,
}

/// One queue of a TUN device.
pub struct TunDevice {
    fd: OwnedFd,
    name: String,
    index: u32,
    offload: bool,
    udp_offload: bool,
    /// Where the rest of a packet goes that is longer than its slot.
    scratch: Box<[u8]>,
    overflow: Overflow,
    /// Packets of the run at the head of the overflow.
    overflow_run: usize,
    joiner: Joiner,
    dropped: u64,
}

const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNGETIFF: libc::c_ulong = 0x8004_54d2;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;

impl TunDevice {
    /// Makes or attaches a device in the namespace at `path`; it is down and has no address.
    pub fn open(path: Option<&Path>, options: TunOptions) -> Result<Self> {
        netns::within(path, move || Self::open_here(&options))
    }

    fn open_here(options: &TunOptions) -> Result<Self> {
        let name = &options.name;
        let operation = || format!("open TUN device '{name}'");
        check_link_name(name)?;
        match (options.mode, index_of(name).is_some()) {
            (TunMode::Create, true) => return Err(Error::from_errno(libc::EEXIST, operation())),
            (TunMode::Attach, false) => return Err(Error::from_errno(libc::ENODEV, operation())),
            _ => {}
        }
        let device = DeviceBuilder::new()
            .name(name)
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
        Self::finish(fd, name.clone(), options.offload, udp_offload)
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
        let udp = offload && set_offload(&fd, true).is_ok();
        netns::within(path, move || Self::finish(fd, name, offload, udp))
    }

    fn finish(fd: OwnedFd, name: String, offload: bool, udp_offload: bool) -> Result<Self> {
        let operation = || format!("open TUN device '{name}'");
        let flags = rustix::fs::fcntl_getfl(&fd).context(operation)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK).context(operation)?;
        let index = index_of(&name).unwrap_or(0);
        Ok(Self {
            fd,
            name,
            index,
            offload,
            udp_offload,
            scratch: vec![0; MAX_PACKET].into_boxed_slice(),
            overflow: Overflow::default(),
            overflow_run: 0,
            joiner: Joiner::default(),
            dropped: 0,
        })
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

    /// Packets that could not be used: longer than a slot, or with offload data that contradicts them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the device stays when its last descriptor is closed.
    pub fn set_persist(&self, persist: bool) -> Result<()> {
        ioctl_value(&self.fd, TUNSETPERSIST, libc::c_ulong::from(persist))
            .context(|| format!("set persistence of TUN device '{}'", self.name))
    }

    /// Reads packets into slots of `slot` octets, `headroom` octets behind each slot's start, until the slots are full or none waits.
    pub fn read(&mut self, buffer: &mut [u8], slot: usize, headroom: usize, descriptors: &mut [u32]) -> Result<usize> {
        if slot <= headroom {
            return Err(Error::invalid(self.operation("read from"), format!("a slot of {slot} octets has no room behind {headroom}")));
        }
        let slots = (buffer.len() / slot).min(descriptors.len() / descriptor::WORDS);
        if slots == 0 {
            return Err(Error::invalid(self.operation("read from"), "the buffer holds no slot or the descriptors no packet"));
        }
        let mut filled = self.drain_overflow(buffer, slot, headroom, descriptors, 0, slots);
        while filled < slots {
            let at = filled * slot + headroom;
            let end = (filled + 1) * slot;
            let mut header = [0; HEADER];
            let header_size = if self.offload { HEADER } else { 0 };
            let room = (end - at).min(MAX_PACKET);
            let (_, rest) = self.scratch.split_at_mut(room);
            let mut vectors =
                [IoSliceMut::new(&mut header[..header_size]), IoSliceMut::new(&mut buffer[at..at + room]), IoSliceMut::new(rest)];
            let length = match rustix::io::readv(&self.fd, &mut vectors) {
                Ok(length) => length.saturating_sub(header_size),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(errno) => return finish(filled, errno, self.operation("read from")),
            };
            filled += self.place(&header, length, buffer, slot, headroom, descriptors, filled, slots);
        }
        Ok(filled)
    }

    /// Turns what was read with its start in slot `filled` and its rest in `scratch` into packets in slots; returns how many.
    #[expect(clippy::too_many_arguments, reason = "one step of the loop above, split off for its length")]
    fn place(
        &mut self,
        header: &[u8],
        length: usize,
        buffer: &mut [u8],
        slot: usize,
        headroom: usize,
        descriptors: &mut [u32],
        filled: usize,
        slots: usize,
    ) -> usize {
        let at = filled * slot + headroom;
        let room = (slot - headroom).min(MAX_PACKET);
        let fits = length <= room;
        if !fits {
            self.scratch[..room].copy_from_slice(&buffer[at..at + room]);
        }
        let packet = if fits { &mut buffer[at..at + length] } else { &mut self.scratch[..length] };
        let Some(plan) = offload::plan(header, packet) else {
            self.dropped += 1;
            return 0;
        };
        match plan.shape {
            Shape::Whole | Shape::Unchecked => {
                if !fits {
                    self.dropped += 1;
                    return 0;
                }
                if plan.shape == Shape::Unchecked {
                    offload::complete_checksum(&plan, packet);
                }
                describe(descriptors, filled, at, length, 1);
                1
            }
            Shape::Large { packets, size } => {
                if size.min(length) > room {
                    self.dropped += packets as u64;
                    return 0;
                }
                if fits {
                    self.scratch[..length].copy_from_slice(&buffer[at..at + length]);
                }
                if packets <= slots - filled {
                    let mut sizes = vec![0; packets];
                    let mut outputs: Vec<&mut [u8]> = buffer[filled * slot..(filled + packets) * slot].chunks_exact_mut(slot).collect();
                    let Ok(made) = offload::split(&plan, &mut self.scratch[..length], &mut outputs, &mut sizes, headroom) else {
                        self.dropped += packets as u64;
                        return 0;
                    };
                    for (k, size) in sizes.iter().enumerate().take(made) {
                        describe(descriptors, filled + k, (filled + k) * slot + headroom, *size, made - k);
                    }
                    return made;
                }
                if self.overflow.fill(&plan, &mut self.scratch[..length], packets, size).is_err() {
                    self.dropped += packets as u64;
                    return 0;
                }
                self.overflow_run = self.overflow.len();
                self.drain_overflow(buffer, slot, headroom, descriptors, filled, slots)
            }
        }
    }

    /// Moves waiting packets to the slots from `start` on; returns how many.
    fn drain_overflow(
        &mut self,
        buffer: &mut [u8],
        slot: usize,
        headroom: usize,
        descriptors: &mut [u32],
        start: usize,
        slots: usize,
    ) -> usize {
        let mut filled = start;
        while filled < slots {
            let Some(packet) = self.overflow.pop() else { break };
            let at = filled * slot + headroom;
            if packet.len() > slot - headroom {
                self.dropped += 1;
                self.overflow_run -= 1;
                continue;
            }
            buffer[at..at + packet.len()].copy_from_slice(&packet);
            describe(descriptors, filled, at, packet.len(), self.overflow_run.min(slots - filled));
            self.overflow_run -= 1;
            filled += 1;
        }
        filled - start
    }

    /// Writes the packets of `count` descriptors; returns how many were dealt with, fewer when the device takes no more now.
    ///
    /// A packet that the kernel refuses has its error number in its descriptor and does not stop the others.
    pub fn write(&mut self, buffer: &[u8], descriptors: &mut [u32], count: usize) -> Result<usize> {
        let count = count.min(descriptors.len() / descriptor::WORDS);
        for words in descriptors[..count * descriptor::WORDS].chunks_exact(descriptor::WORDS) {
            let (offset, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
            if offset + length > buffer.len() || length == 0 || length > MAX_PACKET {
                return Err(Error::invalid(
                    self.operation("write to"),
                    format!("a packet of {length} octets at {offset} in a buffer of {}", buffer.len()),
                ));
            }
        }
        if self.offload && count > 1 {
            let written = self.write_joined(buffer, &mut descriptors[..count * descriptor::WORDS]);
            return written.context(|| self.operation("write to"));
        }
        for (k, words) in descriptors[..count * descriptor::WORDS].chunks_exact_mut(descriptor::WORDS).enumerate() {
            let packet = packet_of(buffer, words);
            let result = if self.offload {
                retry_io(|| rustix::io::writev(&self.fd, &[IoSlice::new(&[0; HEADER]), IoSlice::new(packet)]))
            } else {
                retry_io(|| rustix::io::write(&self.fd, packet))
            };
            match result {
                Ok(_) => words[descriptor::STATUS] = 0,
                Err(Errno::AGAIN) => return Ok(k),
                Err(errno) => words[descriptor::STATUS] = errno.raw_os_error().cast_unsigned(),
            }
        }
        Ok(count)
    }

    fn operation(&self, what: &str) -> String {
        format!("{what} TUN device '{}'", self.name)
    }

    /// Joins before writing. What the device takes no more of is dropped, as a full queue drops: the packets are no longer apart.
    fn write_joined(&mut self, buffer: &[u8], descriptors: &mut [u32]) -> io::Result<usize> {
        for words in descriptors.chunks_exact_mut(descriptor::WORDS) {
            self.joiner.push(packet_of(buffer, words));
            words[descriptor::STATUS] = 0;
        }
        let (fd, mut refused) = (&self.fd, 0);
        self.joiner.flush(self.udp_offload, |packet| {
            if retry_io(|| rustix::io::write(fd, packet)).is_err() {
                refused += 1;
            }
        })?;
        self.dropped += refused;
        Ok(descriptors.len() / descriptor::WORDS)
    }
}

fn packet_of<'a>(buffer: &'a [u8], words: &[u32]) -> &'a [u8] {
    let offset = words[descriptor::OFFSET] as usize;
    &buffer[offset..offset + words[descriptor::LENGTH] as usize]
}

fn describe(descriptors: &mut [u32], index: usize, offset: usize, length: usize, run: usize) {
    let words = &mut descriptors[index * descriptor::WORDS..(index + 1) * descriptor::WORDS];
    words[descriptor::OFFSET] = offset as u32;
    words[descriptor::LENGTH] = length as u32;
    words[descriptor::RUN] = run as u32;
    words[descriptor::STATUS] = 0;
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
