//! A program on a link where there is no tcx: a direct-action filter of a clsact qdisc, by route netlink (tc-bpf(8)). It belongs to the link and not to a
//! descriptor, so that it stays when its process ends.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::route_netlink::{CREATE, ECHO, EXCLUSIVE, LIST, Message, attribute, attributes};

const NEW_QDISC: u16 = 36;
const DELETE_QDISC: u16 = 37;
const GET_QDISC: u16 = 38;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;
const GET_FILTER: u16 = 46;

/// `TC_H_CLSACT`, and its halves for packets that come in and that go out.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
const CLSACT_HANDLE: u32 = 0xffff_0000;

const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
const BPF_ID: u16 = 11;
/// Number of a block of filters that links share: none has the number 0.
const INGRESS_BLOCK: u16 = 13;
const NO_BLOCK: u32 = 0;
/// Of every namespace.
const LOOPBACK: u32 = 1;
/// `tcmsg`
const HEADER: usize = 20;
/// The program's return value is the verdict.
const DIRECT_ACTION: u32 = 1;

/// Place of the filter among others: early, and the same for every dataplane, so that one replaces its predecessor.
const PRIORITY: u32 = 49;
const HANDLE: u32 = 0x4844;
/// What the filter is called, and what it is called where the qdisc was made for it: that is known behind the death of a process that pins nothing.
const NAME: &str = "heddle";
const NAME_WITH_QDISC: &str = "heddle-qdisc";
/// `ETH_P_ALL`
const ALL_PROTOCOLS: u16 = 3;

/// Whether a link has the qdisc, or another one in its place.
pub fn has_qdisc(ifindex: u32) -> io::Result<bool> {
    match Message::new(GET_QDISC, ECHO, &[0, ifindex, 0, CLSACT, 0]).ask() {
        Ok(answers) => Ok(!answers.is_empty()),
        // The second of kernels that have a place for it, in which there is none any more.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the qdisc; whether it was not there.
pub fn add_qdisc(ifindex: u32) -> io::Result<bool> {
    let mut message = Message::new(NEW_QDISC, CREATE | EXCLUSIVE, &[0, ifindex, CLSACT_HANDLE, CLSACT, 0]);
    message.attribute(KIND, b"clsact\0");
    match message.exchange() {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there are such qdiscs, without making one: what is asked for cannot be, and a kernel that has them says so, or that the link has one.
pub fn ask() -> io::Result<()> {
    let mut message = Message::new(NEW_QDISC, CREATE | EXCLUSIVE, &[0, LOOPBACK, CLSACT_HANDLE, CLSACT, 0]);
    message.attribute(KIND, b"clsact\0");
    message.attribute(INGRESS_BLOCK, &NO_BLOCK.to_ne_bytes());
    match message.exchange() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EEXIST)) => Ok(()),
        result => result,
    }
}

/// Takes the qdisc away, and with it all filters.
pub fn remove_qdisc(ifindex: u32) -> io::Result<()> {
    let mut message = Message::new(DELETE_QDISC, 0, &[0, ifindex, CLSACT_HANDLE, CLSACT, 0]);
    message.attribute(KIND, b"clsact\0");
    absent_is_well(message.exchange())
}

/// Sets the filter, and makes the qdisc for it unless there is one; whether the qdisc is there for the filter alone. What it made does not stay where it fails.
pub fn add_filter(ifindex: u32, program: BorrowedFd<'_>) -> io::Result<bool> {
    let is_new = add_qdisc(ifindex)?;
    let is_its_own = is_new || has_own_qdisc(ifindex)?;
    set_filter(ifindex, program, is_its_own).or_else(|error| if is_new { remove_qdisc(ifindex).and(Err(error)) } else { Err(error) })?;
    Ok(is_its_own)
}

/// Whether the qdisc is there for the filter of a dataplane alone.
pub fn has_own_qdisc(ifindex: u32) -> io::Result<bool> {
    Ok(filters(ifindex)?.iter().any(|found| found.is_ours && found.name == NAME_WITH_QDISC))
}

/// Sets the filter, or gives the one that is there another program in one step. `has_own_qdisc`: the qdisc was made for it.
fn set_filter(ifindex: u32, program: BorrowedFd<'_>, has_own_qdisc: bool) -> io::Result<()> {
    let name = if has_own_qdisc { NAME_WITH_QDISC } else { NAME };
    let mut options = Vec::new();
    attribute(&mut options, BPF_FD, &(program.as_raw_fd() as u32).to_ne_bytes());
    attribute(&mut options, BPF_NAME, &[name.as_bytes(), b"\0"].concat());
    attribute(&mut options, BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes());
    let mut message = filter(NEW_FILTER, CREATE, ifindex);
    message.attribute(KIND, b"bpf\0");
    message.attribute(OPTIONS, &options);
    message.exchange()
}

pub fn remove_filter(ifindex: u32) -> io::Result<()> {
    let mut message = filter(DELETE_FILTER, 0, ifindex);
    message.attribute(KIND, b"bpf\0");
    absent_is_well(message.exchange())
}

/// A filter of whoever: number of its program, 0 if it has none that is numbered, and its own name, or kind.
pub struct Found {
    pub id: u32,
    pub name: String,
    /// Whether it is where a dataplane has its own.
    pub is_ours: bool,
}

/// Filters of packets that come in, the first to see them first.
pub fn filters(ifindex: u32) -> io::Result<Vec<Found>> {
    filters_of(ifindex, INGRESS)
}

/// Whether there are filters besides the one that a dataplane has on a link.
pub fn is_shared(ifindex: u32) -> io::Result<bool> {
    Ok(filters_of(ifindex, INGRESS)?.iter().any(|found| !found.is_ours) || !filters_of(ifindex, EGRESS)?.is_empty())
}

fn filters_of(ifindex: u32, half: u32) -> io::Result<Vec<Found>> {
    let answers = Message::new(GET_FILTER, LIST, &[0, ifindex, 0, half, 0]).ask()?;
    Ok(answers.iter().filter_map(|answer| found_in(answer)).collect())
}

/// Of a list's entries, those without a handle only tell that there is a priority.
fn found_in(answer: &[u8]) -> Option<Found> {
    let word = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (handle, priority) = (word(8)?, word(16)? >> 16);
    let mut found = Found { id: 0, name: String::new(), is_ours: handle == HANDLE && priority == PRIORITY };
    for (kind, value) in attributes(answer.get(HEADER..)?) {
        match kind {
            KIND => found.name = text(value),
            OPTIONS => {
                for (option, value) in attributes(value) {
                    match option {
                        BPF_NAME => found.name = text(value),
                        BPF_ID => found.id = u32::from_ne_bytes(value.try_into().ok()?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (handle != 0).then_some(found)
}

/// Without the zero octet at its end.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}

/// What is gone already, by itself or with its link, is no error.
fn absent_is_well(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)) => Ok(()),
        other => other,
    }
}

/// A message about the filter: `tcmsg`.
fn filter(kind: u16, flags: u16, ifindex: u32) -> Message {
    Message::new(kind, flags, &[0, ifindex, HANDLE, INGRESS, PRIORITY << 16 | u32::from(ALL_PROTOCOLS.to_be())])
}
