//! Flags of a device that rtnetlink does not offer here.

use std::{mem::zeroed, os::fd::AsRawFd, path::Path, ptr};

use heddle_linux_core::{Error, Result, error::Context, netns};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Switches address resolution off: every frame goes to the device's own address, which the program at the other end does not look at.
pub fn set_no_arp(namespace: Option<&Path>, link: &str) -> Result<()> {
    let link = link.to_owned();
    netns::within(namespace, move || {
        let operation = || format!("switch address resolution off on '{link}'");
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).context(operation)?;
        // SAFETY: a structure of plain data.
        let mut request: libc::ifreq = unsafe { zeroed() };
        if link.len() >= request.ifr_name.len() {
            return Err(Error::invalid(operation(), "a name of more than 15 octets"));
        }
        // SAFETY: the name is shorter than its field, whose last octet stays zero.
        unsafe { ptr::copy_nonoverlapping(link.as_ptr(), request.ifr_name.as_mut_ptr().cast(), link.len()) };
        let call = |number, request: &mut libc::ifreq| {
            // SAFETY: both calls read and write the structure they are given.
            if unsafe { libc::ioctl(socket.as_raw_fd(), number, ptr::from_mut(request)) } < 0 {
                Err(Error::last(operation()))
            } else {
                Ok(())
            }
        };
        call(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has just filled in the flags.
        unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_NOARP as i16 };
        call(libc::SIOCSIFFLAGS, &mut request)
    })
}
