//! A VXLAN device that nobody sends by: as long as its sockets are open, the kernel merges the segments of a TCP stream in VXLAN before programs on the
//! uplink see them, which then take one large packet out of its tunnel where there were dozens. One of VXLAN-GPE does so for MPLS over UDP behind a joint
//! label, which reads as VXLAN-GPE's first word.
//!
//! What programs leave to the host, datagrams in fragments or that come by another link, reaches those sockets: nothing may come out of the device, or whoever
//! sends VXLAN to the host would have packets of his making in it, behind its firewall. So it has a filter of VNIs, which lets none through.
//!
//! The sockets are one pair for all devices of a kind in a VRF of a namespace, or in none, as the kernel shares them: what merges goes with the last of them.

use std::{io, path::Path};

use heddle_linux_core::{Result, error::Context, netns};

use crate::route_netlink::{CREATE, EXCLUSIVE, LIST, Message, attribute, attributes};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
/// Octets of `ifinfomsg`.
const LINK_HEADER: usize = 16;

const NAME: u16 = 3;
const ALIAS: u16 = 20;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const KIND: &[u8] = b"vxlan\0";
const OF_FAMILIES: u16 = 26;
/// How the device comes by an address of IPv6, which is not at all.
const ADDRESSING: u16 = 8;
const WITHOUT_ADDRESS: &[u8] = &[1];

/// A link in a VRF, of which the sockets are then.
const LINK: u16 = 3;
const LEARNING: u16 = 7;
const PORT: u16 = 15;
/// Zero UDP checksums over IPv6 (RFC 6935 §5).
const ZERO_CHECKSUM: u16 = 20;
/// The VNI comes with each packet, so that the device is of none and of all.
const COLLECT_METADATA: u16 = 25;
/// The Generic Protocol Extension: the header tells what is behind it, which need not be Ethernet.
const GPE: u16 = 27;
/// Only VNIs that it was told of come out of it (Linux 5.18), which are none.
const VNI_FILTER: u16 = 30;

/// Lists the VNIs of a filter.
const GET_TUNNEL: u16 = 122;
/// `AF_BRIDGE`, the first octet of `tunnel_msg`.
const OF_BRIDGES: u32 = u32::from_ne_bytes([7, 0, 0, 0]);

const VXLAN_PORT: u16 = 4789;
/// Of MPLS over UDP (RFC 7510), and not that of VXLAN-GPE.
const MPLS_UDP_PORT: u16 = 6635;
const UP: u32 = libc::IFF_UP as u32;

/// What a device has merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// VXLAN (RFC 7348).
    Vxlan,
    /// MPLS over UDP behind a joint label, which is VXLAN-GPE to the kernel.
    Joint,
}

impl Merged {
    const fn port(self) -> u16 {
        match self {
            Self::Vxlan => VXLAN_PORT,
            Self::Joint => MPLS_UDP_PORT,
        }
    }
}

/// The VRF device that sockets are to be in.
#[derive(Debug, Clone, Copy)]
pub struct Vrf {
    /// Index of a link in it, by which the kernel finds it when it opens sockets, and not again.
    pub link: u32,
    pub index: u32,
}

impl Vrf {
    /// By which it is known again what sockets are in: the alias of the device.
    fn alias(self) -> String {
        format!("VRF {}", self.index)
    }
}

/// Makes the device. One that is there stays if it is as one that is made, so that what it has merged goes on; another one may be of a release that let
/// everything through, and is made anew. Sockets are open as long as it is up. What comes in by a VRF device is not for others than those of a device that has
/// a link in it.
pub fn ensure(namespace: Option<&Path>, name: &str, merged: Merged, vrf: Option<Vrf>) -> Result<()> {
    let name = name.to_owned();
    netns::within(namespace, move || {
        let is_there = make(&name, merged, vrf).or_else(|error| match error.raw_os_error() {
            Some(libc::EEXIST) if is_as_made(&name, merged, vrf)? => Ok(()),
            Some(libc::EEXIST) => delete(&name).and_then(|()| make(&name, merged, vrf)),
            _ => Err(error),
        });
        is_there.context(|| format!("make VXLAN device '{name}'"))
    })
}

/// Takes the device away, if it is there.
pub fn remove(namespace: Option<&Path>, name: &str) -> Result<()> {
    let name = name.to_owned();
    netns::within(namespace, move || delete_if_there(&name))
}

/// Takes away all devices whose names begin and end like that, so that nothing of their kind is merged in the namespace.
pub fn remove_all(namespace: Option<&Path>, beginning: &str, end: &str) -> Result<()> {
    let (beginning, end) = (beginning.to_owned(), end.to_owned());
    netns::within(namespace, move || {
        let names = names().context(|| "list VXLAN devices".into())?;
        names.iter().filter(|name| name.starts_with(&beginning) && name.ends_with(&end)).try_for_each(|name| delete_if_there(name))
    })
}

/// Makes a device in the namespace of the thread, which ends with it. It is down, and its sockets are not opened.
pub fn probe(merged: Merged) -> io::Result<()> {
    create("hdprobe", merged, None)
}

fn make(name: &str, merged: Merged, vrf: Option<Vrf>) -> io::Result<()> {
    create(name, merged, vrf)?;
    bring_up(name, vrf).or_else(|error| delete(name).and(Err(error)))
}

fn create(name: &str, merged: Merged, vrf: Option<Vrf>) -> io::Result<()> {
    let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &[0; 4]);
    message.attribute(NAME, &with_end(name));
    let mut info = Vec::new();
    attribute(&mut info, INFO_KIND, KIND);
    attribute(&mut info, INFO_DATA, &settings(merged, vrf));
    message.attribute(INFO, &info);
    message.exchange()
}

/// Attributes, which the kernel tells of a device as it was told them.
fn settings(merged: Merged, vrf: Option<Vrf>) -> Vec<u8> {
    let mut data = Vec::new();
    if let Some(Vrf { link, .. }) = vrf {
        attribute(&mut data, LINK, &link.to_ne_bytes());
    }
    attribute(&mut data, LEARNING, &[0]);
    attribute(&mut data, PORT, &merged.port().to_be_bytes());
    attribute(&mut data, ZERO_CHECKSUM, &[1]);
    attribute(&mut data, COLLECT_METADATA, &[1]);
    attribute(&mut data, VNI_FILTER, &[1]);
    if merged == Merged::Joint {
        attribute(&mut data, GPE, &[]);
    }
    data
}

/// Opens the sockets. With an address the host would look for neighbours and routers by the device.
fn bring_up(name: &str, vrf: Option<Vrf>) -> io::Result<()> {
    let mut version6 = Vec::new();
    attribute(&mut version6, ADDRESSING, WITHOUT_ADDRESS);
    let mut families = Vec::new();
    attribute(&mut families, libc::AF_INET6 as u16, &version6);
    let mut message = Message::new(SET_LINK, 0, &[0; 4]);
    message.attribute(NAME, &with_end(name));
    message.attribute(OF_FAMILIES, &families);
    match message.exchange() {
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() != Some(libc::EAFNOSUPPORT) => return Err(error),
        _ => {}
    }
    let mut message = Message::new(SET_LINK, 0, &[0, 0, UP, UP]);
    message.attribute(NAME, &with_end(name));
    if let Some(vrf) = vrf {
        message.attribute(ALIAS, vrf.alias().as_bytes());
    }
    message.exchange()
}

/// Whether a device is up, has the settings that one gets that is made, and sockets in the same VRF, and was told of no VNI since.
fn is_as_made(name: &str, merged: Merged, vrf: Option<Vrf>) -> io::Result<bool> {
    let mut message = Message::new(GET_LINK, 0, &[0; 4]);
    message.attribute(NAME, &with_end(name));
    let answers = message.ask()?;
    let has_settings = |link: &[u8]| {
        let flags = word(link, 8)?;
        let found = link.get(LINK_HEADER..)?;
        let info = value(found, INFO)?;
        let data = value(info, INFO_DATA)?;
        let is_of_kind = value(info, INFO_KIND)? == KIND && value(data, GPE).is_some() == (merged == Merged::Joint);
        let is_set = value(data, LINK).is_some() == vrf.is_some()
            && vrf.is_none_or(|vrf| value(found, ALIAS) == Some(with_end(&vrf.alias()).as_slice()))
            && attributes(&settings(merged, vrf)).all(|(kind, wanted)| value(data, kind) == Some(wanted));
        // A kernel without IPv6 tells of none.
        let addressing = value(found, OF_FAMILIES).and_then(|families| value(value(families, libc::AF_INET6 as u16)?, ADDRESSING));
        (flags & UP != 0 && is_of_kind && is_set && addressing.is_none_or(|how| how == WITHOUT_ADDRESS)).then_some(word(link, 4)?)
    };
    match answers.first().and_then(|link| has_settings(link)) {
        Some(index) => Ok(Message::new(GET_TUNNEL, LIST, &[OF_BRIDGES, index]).ask()?.is_empty()),
        None => Ok(false),
    }
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Of the first attribute of a kind.
fn value(octets: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(octets).find(|&(found, _)| found == kind).map(|(_, value)| value)
}

/// Of all VXLAN devices in the namespace of the thread.
fn names() -> io::Result<Vec<String>> {
    let mut message = Message::new(GET_LINK, LIST, &[0; 4]);
    let mut info = Vec::new();
    attribute(&mut info, INFO_KIND, KIND);
    message.attribute(INFO, &info);
    let answers = message.ask()?;
    let name_in = |answer: &Vec<u8>| {
        let name = value(answer.get(LINK_HEADER..)?, NAME)?;
        String::from_utf8(name.strip_suffix(b"\0")?.to_vec()).ok()
    };
    Ok(answers.iter().filter_map(name_in).collect())
}

fn delete_if_there(name: &str) -> Result<()> {
    match delete(name) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result.context(|| format!("delete link '{name}'")),
    }
}

fn delete(name: &str) -> io::Result<()> {
    let mut message = Message::new(DELETE_LINK, 0, &[0; 4]);
    message.attribute(NAME, &with_end(name));
    message.exchange()
}

fn with_end(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}
