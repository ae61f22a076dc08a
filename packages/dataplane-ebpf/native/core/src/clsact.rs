//! A program on a link where there is no tcx: a direct-action filter of a clsact qdisc, by route netlink (tc-bpf(8)). It belongs to the link and not to a
//! descriptor, so that it stays when its process ends.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const NEW_QDISC: u16 = 36;
const DELETE_QDISC: u16 = 37;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;

const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
/// `NLMSG_ERROR`, which an acknowledgment is too.
const ERROR: u16 = 2;

/// `TC_H_CLSACT`, and its half for packets that come in.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const CLSACT_HANDLE: u32 = 0xffff_0000;

const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
/// The program's return value is the verdict.
const DIRECT_ACTION: u32 = 1;

/// Place of the filter among others: early, and the same for every dataplane, so that one replaces its predecessor.
const PRIORITY: u32 = 49;
const HANDLE: u32 = 0x4844;
/// `ETH_P_ALL`
const ALL_PROTOCOLS: u16 = 3;

/// Makes the qdisc; whether it was not there.
pub fn add_qdisc(ifindex: u32) -> io::Result<bool> {
    let mut message = Message::new(NEW_QDISC, CREATE | EXCLUSIVE, ifindex, CLSACT_HANDLE, CLSACT, 0);
    message.attribute(KIND, b"clsact\0");
    match message.exchange() {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the qdisc away, and with it all filters.
pub fn remove_qdisc(ifindex: u32) -> io::Result<()> {
    let mut message = Message::new(DELETE_QDISC, 0, ifindex, CLSACT_HANDLE, CLSACT, 0);
    message.attribute(KIND, b"clsact\0");
    absent_is_well(message.exchange())
}

/// Sets the filter, or gives the one that is there another program in one step.
pub fn set_filter(ifindex: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut options = Vec::new();
    attribute(&mut options, BPF_FD, &(program.as_raw_fd() as u32).to_ne_bytes());
    attribute(&mut options, BPF_NAME, b"heddle\0");
    attribute(&mut options, BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes());
    let mut message = Message::filter(NEW_FILTER, CREATE, ifindex);
    message.attribute(KIND, b"bpf\0");
    message.attribute(OPTIONS, &options);
    message.exchange()
}

pub fn remove_filter(ifindex: u32) -> io::Result<()> {
    let mut message = Message::filter(DELETE_FILTER, 0, ifindex);
    message.attribute(KIND, b"bpf\0");
    absent_is_well(message.exchange())
}

/// What is gone already, by itself or with its link, is no error.
fn absent_is_well(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)) => Ok(()),
        other => other,
    }
}

/// A message of route netlink about traffic control: `nlmsghdr`, `tcmsg`, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, ifindex: u32, handle: u32, parent: u32, info: u32) -> Self {
        let mut octets = vec![0; 4];
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(&(flags | REQUEST | ACKNOWLEDGE).to_ne_bytes());
        octets.extend_from_slice(&[0; 8]);
        for word in [0, ifindex, handle, parent, info] {
            octets.extend_from_slice(&word.to_ne_bytes());
        }
        Self(octets)
    }

    fn filter(kind: u16, flags: u16, ifindex: u32) -> Self {
        Self::new(kind, flags, ifindex, HANDLE, INGRESS, PRIORITY << 16 | u32::from(ALL_PROTOCOLS.to_be()))
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        attribute(&mut self.0, kind, value);
    }

    /// Sends the message in the namespace of the thread, and reads what the kernel says of it.
    fn exchange(mut self) -> io::Result<()> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        let socket: OwnedFd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        send(&socket, &self.0, SendFlags::empty())?;
        let mut answer = [0_u8; 4096];
        let (received, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        if received < 20 || kind != ERROR {
            return Err(io::Error::from_raw_os_error(libc::EPROTO));
        }
        match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }
}

/// Length, kind, value, padding to a multiple of four.
fn attribute(octets: &mut Vec<u8>, kind: u16, value: &[u8]) {
    octets.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
    octets.extend_from_slice(&kind.to_ne_bytes());
    octets.extend_from_slice(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
}
