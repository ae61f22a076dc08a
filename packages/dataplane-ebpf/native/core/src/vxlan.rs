//! A VXLAN device that nobody sends by: as long as its sockets are open, the kernel merges the segments of a TCP stream in VXLAN before programs on the
//! uplink see them, which then take one large packet out of its tunnel where there were dozens.
//!
//! What programs leave to the host, datagrams in fragments or that come by another link, reaches those sockets: nothing may come out of the device, or whoever
//! sends VXLAN to the host would have packets of his making in it, behind its firewall. So it has a filter of VNIs, which lets none through.

use std::{io, path::Path};

use heddle_linux_core::{Result, error::Context, netns};

use crate::route_netlink::{CREATE, EXCLUSIVE, Message, attribute};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;

const NAME: u16 = 3;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

const LEARNING: u16 = 7;
const PORT: u16 = 15;
/// Zero UDP checksums over IPv6 (RFC 6935 §5).
const ZERO_CHECKSUM: u16 = 20;
/// The VNI comes with each packet, so that the device is of none and of all.
const COLLECT_METADATA: u16 = 25;
/// Only VNIs that it was told of come out of it (Linux 5.18), which are none.
const VNI_FILTER: u16 = 30;

const VXLAN_PORT: u16 = 4789;
const UP: u32 = libc::IFF_UP as u32;

/// Makes the device anew: one that is there may be of a release that let everything through. Sockets are open as long as it is up.
pub fn ensure(namespace: Option<&Path>, name: &str) -> Result<()> {
    let name = name.to_owned();
    netns::within(namespace, move || {
        let made = match create(&name, UP) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => delete(&name).and_then(|()| create(&name, UP)),
            made => made,
        };
        made.context(|| format!("make VXLAN device '{name}'"))
    })
}

/// Takes the device away, if it is there.
pub fn remove(namespace: Option<&Path>, name: &str) -> Result<()> {
    let name = name.to_owned();
    netns::within(namespace, move || match delete(&name) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result.context(|| format!("delete link '{name}'")),
    })
}

/// Makes a device that is down, whose sockets are not opened, and takes it away.
pub fn probe() -> io::Result<()> {
    const NAME: &str = "hdprobe";
    create(NAME, 0)?;
    delete(NAME)
}

fn create(name: &str, flags: u32) -> io::Result<()> {
    let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &[0, 0, flags, flags]);
    message.attribute(NAME, &with_end(name));
    let mut data = Vec::new();
    attribute(&mut data, LEARNING, &[0]);
    attribute(&mut data, PORT, &VXLAN_PORT.to_be_bytes());
    attribute(&mut data, ZERO_CHECKSUM, &[1]);
    attribute(&mut data, COLLECT_METADATA, &[1]);
    attribute(&mut data, VNI_FILTER, &[1]);
    let mut info = Vec::new();
    attribute(&mut info, INFO_KIND, b"vxlan\0");
    attribute(&mut info, INFO_DATA, &data);
    message.attribute(INFO, &info);
    message.exchange()
}

fn delete(name: &str) -> io::Result<()> {
    let mut message = Message::new(DELETE_LINK, 0, &[0; 4]);
    message.attribute(NAME, &with_end(name));
    message.exchange()
}

fn with_end(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}
