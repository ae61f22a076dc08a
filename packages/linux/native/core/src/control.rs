//! Control messages (`cmsg`): what travels beside a datagram.

use std::{mem::size_of, ptr};

/// Octets of control data a message may carry; enough for everything that [`crate::datagram`] asks for.
pub const CONTROL_SPACE: usize = 192;

/// Aligned storage for the control data of one message.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct ControlBuffer(pub [u8; CONTROL_SPACE]);

/// Appends control messages to a buffer.
pub struct ControlWriter<'a> {
    buffer: &'a mut ControlBuffer,
    length: usize,
}

impl<'a> ControlWriter<'a> {
    pub fn new(buffer: &'a mut ControlBuffer) -> Self {
        Self { buffer, length: 0 }
    }

    /// Appends one message. The few callers add at most a handful of small values, which [`CONTROL_SPACE`] holds.
    pub fn push<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        let size = size_of::<T>() as libc::c_uint;
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size) as usize) };
        assert!(self.length + space <= CONTROL_SPACE, "control data exceeds its buffer");
        let header = libc::cmsghdr { cmsg_len: length as _, cmsg_level: level, cmsg_type: kind };
        // SAFETY: `space` octets are free behind `length` (asserted above); header and value are plain data, written unaligned.
        unsafe {
            let at = self.buffer.0.as_mut_ptr().add(self.length);
            ptr::write_bytes(at, 0, space);
            ptr::write_unaligned(at.cast::<libc::cmsghdr>(), header);
            ptr::write_unaligned(at.add(length - size_of::<T>()).cast::<T>(), value);
        }
        self.length += space;
    }

    pub fn length(&self) -> usize {
        self.length
    }
}

/// Calls `visit` with level, type and value of each control message in the first `length` octets.
pub fn each_control(buffer: &ControlBuffer, length: usize, mut visit: impl FnMut(libc::c_int, libc::c_int, &[u8])) {
    let header_size = size_of::<libc::cmsghdr>();
    let mut rest = &buffer.0[..length.min(CONTROL_SPACE)];
    while rest.len() >= header_size {
        // SAFETY: a whole header lies in `rest`; it is plain data, read unaligned.
        let header = unsafe { ptr::read_unaligned(rest.as_ptr().cast::<libc::cmsghdr>()) };
        let length = header.cmsg_len as usize;
        if length < header_size || length > rest.len() {
            return;
        }
        visit(header.cmsg_level, header.cmsg_type, &rest[header_size..length]);
        rest = &rest[length.next_multiple_of(size_of::<usize>()).min(rest.len())..];
    }
}

/// A value of a control message as a native integer: one octet (TOS of IPv4) or four.
pub fn control_number(value: &[u8]) -> u32 {
    match *value {
        [a, b, c, d, ..] => u32::from_ne_bytes([a, b, c, d]),
        [a, ..] => u32::from(a),
        [] => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let mut buffer = ControlBuffer([0xa5; CONTROL_SPACE]);
        let mut writer = ControlWriter::new(&mut buffer);
        writer.push(libc::SOL_UDP, libc::UDP_SEGMENT, 1400u16);
        writer.push(libc::IPPROTO_IP, libc::IP_TOS, 184i32);
        let length = writer.length();
        let mut seen = Vec::new();
        each_control(&buffer, length, |level, kind, value| seen.push((level, kind, value.to_vec())));
        assert_eq!(
            seen,
            [
                (libc::SOL_UDP, libc::UDP_SEGMENT, 1400u16.to_ne_bytes().to_vec()),
                (libc::IPPROTO_IP, libc::IP_TOS, 184i32.to_ne_bytes().to_vec()),
            ]
        );
    }

    #[test]
    fn stops_at_a_length_that_lies() {
        let mut buffer = ControlBuffer([0xff; CONTROL_SPACE]);
        each_control(&buffer, CONTROL_SPACE, |_, _, _| panic!("nothing there"));
        buffer.0.fill(0);
        each_control(&buffer, CONTROL_SPACE, |_, _, _| panic!("nothing there"));
    }
}
