//! Messages of route netlink for what `heddle-linux-core` does not ask of it.

use std::{io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
pub const EXCLUSIVE: u16 = 0x200;
pub const CREATE: u16 = 0x400;
/// `NLMSG_ERROR`, which an acknowledgment is too.
const ERROR: u16 = 2;

/// A message that is acknowledged: `nlmsghdr`, a header of its kind, attributes.
pub struct Message(Vec<u8>);

impl Message {
    /// `header`: words of the structure that messages of this kind begin with.
    pub fn new(kind: u16, flags: u16, header: &[u32]) -> Self {
        let mut octets = vec![0; 4];
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(&(flags | REQUEST | ACKNOWLEDGE).to_ne_bytes());
        octets.extend_from_slice(&[0; 8]);
        for word in header {
            octets.extend_from_slice(&word.to_ne_bytes());
        }
        Self(octets)
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        attribute(&mut self.0, kind, value);
    }

    /// Sends the message in the namespace of the thread, and reads what the kernel says of it.
    pub fn exchange(mut self) -> io::Result<()> {
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
pub fn attribute(octets: &mut Vec<u8>, kind: u16, value: &[u8]) {
    octets.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
    octets.extend_from_slice(&kind.to_ne_bytes());
    octets.extend_from_slice(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
}
