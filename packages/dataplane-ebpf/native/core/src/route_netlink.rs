//! Messages of route netlink for what `heddle-linux-core` does not ask of it.

use std::{io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
/// `NLM_F_ECHO`: what others would be told.
pub const ECHO: u16 = 0x008;
pub const EXCLUSIVE: u16 = 0x200;
pub const CREATE: u16 = 0x400;
/// `NLMSG_ERROR`, which an acknowledgment is too.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const DONE: u16 = 3;
/// `NLM_F_DUMP`: everything that there is.
pub const LIST: u16 = 0x300;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;

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

    /// Sends the message in the namespace of the thread; what the kernel answers, each without its `nlmsghdr`.
    pub fn ask(mut self) -> io::Result<Vec<Vec<u8>>> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        let socket: OwnedFd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        send(&socket, &self.0, SendFlags::empty())?;
        let mut answers = Vec::new();
        let mut octets = vec![0_u8; 1 << 16];
        loop {
            let (received, _) = recv(&socket, &mut octets[..], RecvFlags::empty())?;
            if let Some(outcome) = take_answers(&octets[..received], &mut answers) {
                return outcome.map(|()| answers);
            }
        }
    }
}

/// Adds the answers of a datagram to others; what came of the request where they end, which a list does with what it was broken off by, too.
fn take_answers(datagram: &[u8], answers: &mut Vec<Vec<u8>>) -> Option<io::Result<()>> {
    let mut rest = datagram;
    while let Some((kind, body, behind)) = next_message(rest) {
        match kind {
            DONE | ERROR => return Some(ended(body)),
            _ => answers.push(body.to_vec()),
        }
        rest = behind;
    }
    None
}

/// Kind and body of the first message, and what is behind it.
fn next_message(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(octets.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(octets.get(4..6)?.try_into().ok()?);
    Some((kind, octets.get(16..length)?, octets.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// What an acknowledgment says, `nlmsgerr`, and the end of a list: both begin with the number of an error.
fn ended(body: &[u8]) -> io::Result<()> {
    match body.get(..4).and_then(|word| word.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::from_raw_os_error(libc::EPROTO)),
    }
}

/// Kinds and values of attributes; a flag of their kinds that says that others are in them is left out.
pub fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?) & !NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Length, kind, value, padding to a multiple of four.
pub fn attribute(octets: &mut Vec<u8>, kind: u16, value: &[u8]) {
    octets.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
    octets.extend_from_slice(&kind.to_ne_bytes());
    octets.extend_from_slice(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut octets = Message::new(kind, 0, &[]).0;
        octets.extend_from_slice(body);
        let length = octets.len() as u32;
        octets[..4].copy_from_slice(&length.to_ne_bytes());
        octets
    }

    // What could not be listed passed for what was not there: a qdisc was taken away with the filters of others.
    #[test]
    fn a_list_that_was_broken_off_is_an_error() {
        let entry = message(44, &[7; 4]);
        for (code, kind) in [(0, None), (-libc::ENOMEM, Some(libc::ENOMEM))] {
            let mut answers = Vec::new();
            assert!(take_answers(&entry, &mut answers).is_none());
            let end = [entry.clone(), message(DONE, &code.to_ne_bytes())].concat();
            let outcome = take_answers(&end, &mut answers);
            assert_eq!(outcome.map(|result| result.err().and_then(|error| error.raw_os_error())), Some(kind));
            assert_eq!(answers, [[7; 4], [7; 4]]);
        }
    }
}
