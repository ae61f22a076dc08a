//! Whose programs see packets that come in on a link, whoever attached them: XDP first, then tcx, then filters of clsact.

use std::{io, os::fd::AsFd, path::Path};

use heddle_linux_core::{Error, Result, error::Context, netns};

use crate::{
    clsact, program,
    route_netlink::{Message, attributes},
    sys,
};

/// A program on a link.
#[derive(Debug)]
pub struct Attached {
    /// Number of the program; 0 for one that the kernel does not number, as classic BPF and other filters are.
    pub id: u32,
    /// Its name, or the filter's; empty where the kernel tells none.
    pub name: String,
    /// `xdp`, `generic xdp`, `offloaded xdp`, `tcx`, `netkit` or `clsact`.
    pub how: &'static str,
    /// Whether it is a filter in the place of dataplanes.
    pub is_ours: bool,
}

/// Programs on packets that come in on a link, in the order in which they see them.
pub fn on_link(namespace: Option<&Path>, ifindex: u32) -> Result<Vec<Attached>> {
    netns::within(namespace, move || {
        let mut found = by_xdp(ifindex).context(|| format!("ask for XDP programs of link {ifindex}"))?;
        found.extend(by_descriptor(ifindex, sys::TCX_INGRESS, "tcx")?);
        found.extend(by_descriptor(ifindex, sys::NETKIT_PEER, "netkit")?);
        found.extend(clsact::filters(ifindex).context(|| format!("ask for the filters of link {ifindex}"))?.into_iter().map(
            |clsact::Found { id, name, is_ours }| {
                let program = if id == 0 { String::new() } else { name_of(id) };
                Attached { id, name: if program.is_empty() { name } else { program }, how: "clsact", is_ours }
            },
        ));
        Ok(found)
    })
}

fn by_descriptor(ifindex: u32, kind: u32, how: &'static str) -> Result<Vec<Attached>> {
    let mut ids = [0_u32; sys::MOST_PROGRAMS];
    match sys::prog_query(ifindex, kind, &mut ids) {
        Ok(count) => Ok(ids[..count.min(ids.len())].iter().map(|&id| Attached { id, name: name_of(id), how, is_ours: false }).collect()),
        // an older kernel, or another kind of link
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENXIO | libc::EACCES)) => Ok(Vec::new()),
        Err(error) => Err(Error::from_io(error, format!("ask for the programs of link {ifindex}"))),
    }
}

const GET_LINK: u16 = 18;
const LINK_HEADER: usize = 16;
/// `IFLA_XDP`, and the numbers of the programs in it.
const XDP: u16 = 43;
const XDP_MODES: [(u16, &str); 3] = [(5, "xdp"), (6, "generic xdp"), (7, "offloaded xdp")];

fn by_xdp(ifindex: u32) -> io::Result<Vec<Attached>> {
    let answers = Message::new(GET_LINK, 0, &[0, ifindex, 0, 0]).ask()?;
    let mut found = Vec::new();
    for answer in &answers {
        let nested = attributes(answer.get(LINK_HEADER..).unwrap_or_default()).filter(|&(kind, _)| kind == XDP);
        for (kind, value) in nested.flat_map(|(_, value)| attributes(value)) {
            let mode = XDP_MODES.iter().find(|&&(wanted, _)| wanted == kind);
            if let (Some(&(_, how)), Ok(octets)) = (mode, <[u8; 4]>::try_from(value)) {
                let id = u32::from_ne_bytes(octets);
                found.push(Attached { id, name: name_of(id), how, is_ours: false });
            }
        }
    }
    Ok(found)
}

/// Empty when it may not be asked for.
fn name_of(id: u32) -> String {
    sys::prog_by_id(id).ok().and_then(|fd| program::name_in(fd.as_fd()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::route_netlink::attribute;

    const SET_LINK: u16 = 19;
    const LOOPBACK: u32 = 1;
    /// `IFLA_XDP_FD`, `IFLA_XDP_FLAGS`, and the flag for a device that has no XDP of its own.
    const XDP_FD: u16 = 1;
    const XDP_FLAGS: u16 = 3;
    const GENERIC: u32 = 2;
    /// `r0 = 2; exit`
    const PASS: [u8; 16] = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn names_programs_of_all_kinds() {
        let tried = netns::alone(|| {
            let tc = sys::program_load(sys::SCHED_CLS, &PASS)?;
            assert_eq!(on_link(None, LOOPBACK).map(|found| found.len()).unwrap_or(usize::MAX), 0);
            clsact::add_filter(LOOPBACK, tc.as_fd())?;
            let xdp = sys::program_load(sys::XDP_PROGRAM, &PASS)?;
            let mut options = Vec::new();
            attribute(&mut options, XDP_FD, &(xdp.as_raw_fd() as u32).to_ne_bytes());
            attribute(&mut options, XDP_FLAGS, &GENERIC.to_ne_bytes());
            let mut message = Message::new(SET_LINK, 0, &[0, LOOPBACK, 0, 0]);
            message.attribute(XDP, &options);
            message.exchange()?;
            on_link(None, LOOPBACK).map_err(|error| io::Error::other(error.to_string()))
        });
        match tried {
            Ok(Ok(found)) => {
                assert_eq!(found.iter().map(|each| each.how).collect::<Vec<_>>(), ["generic xdp", "clsact"]);
                assert!(found.iter().all(|each| each.id > 0));
            }
            Ok(Err(error)) if error.raw_os_error() == Some(libc::EPERM) => eprintln!("skipped: {error}"),
            Ok(Err(error)) => panic!("{error}"),
            // What panicked.
            Err(error) if error.errno == libc::EIO => panic!("{error}"),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
}
