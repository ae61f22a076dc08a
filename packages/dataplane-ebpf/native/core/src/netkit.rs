//! Whether there are netkit devices (Linux 6.7), pairs that have programs where they would have a queue.

use std::{io, os::fd::BorrowedFd};

use crate::{
    route_netlink::{CREATE, EXCLUSIVE, Message, attribute},
    sys,
};

const NEW_LINK: u16 = 16;
const NAME: u16 = 3;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;

/// Makes a pair in the namespace of the thread, which ends with it, and attaches a program.
pub fn probe(program: BorrowedFd<'_>) -> io::Result<()> {
    const DEVICE: &std::ffi::CStr = c"hdnetkit";
    let mut info = Vec::new();
    attribute(&mut info, INFO_KIND, b"netkit\0");
    let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &[0; 4]);
    message.attribute(NAME, DEVICE.to_bytes_with_nul());
    message.attribute(INFO, &info);
    message.exchange()?;
    // SAFETY: the name ends with a zero.
    let index = unsafe { libc::if_nametoindex(DEVICE.as_ptr()) };
    sys::link_create(program, index, sys::NETKIT_PEER, 0).map(drop)
}
