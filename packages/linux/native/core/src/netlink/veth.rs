//! Veth pairs, made and set up in one go.

use std::{
    fs::File,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage},
};
use rtnetlink::{
    LinkUnspec,
    packet_core::{NLM_F_CREATE, NLM_F_EXCL},
};

use super::{
    Link, LinkSetup, Netlink, Pending,
    exchange::Exchange,
    link::{check_name, read},
    parse_mac,
    setup::set_up,
};
use crate::{
    error::{Context, Error, Result},
    netns,
};

/// A veth pair: one end here, the other here or in another namespace from its first moment on.
#[derive(Debug, Clone, Default)]
pub struct VethSpec {
    pub name: String,
    pub peer: String,
    pub peer_namespace: Option<PathBuf>,
    pub mtu: Option<u32>,
    pub mac: Option<String>,
    pub peer_mac: Option<String>,
    /// What the ends shall be besides; without it they are down.
    pub setup: LinkSetup,
    pub peer_setup: LinkSetup,
}

impl Netlink {
    /// Makes and sets up the pair; returns the end that stays here. On an error nothing of it stays.
    pub fn create_veth(&self, spec: VethSpec) -> Pending<Link> {
        self.call(|_| async move { create(&spec) })
    }
}

fn create(spec: &VethSpec) -> Result<Link> {
    let operation = format!("create veth pair '{}' and '{}'", spec.name, spec.peer);
    check_name(&spec.name)?;
    check_name(&spec.peer)?;
    let mut here = Exchange::open()?;
    let namespace = match &spec.peer_namespace {
        Some(path) => Some(File::open(path).context(|| format!("{operation}: open network namespace {}", path.display()))?),
        None => None,
    };
    let pair = RouteNetlinkMessage::NewLink(pair(spec, namespace.as_ref(), &operation)?);
    here.add(operation.clone(), NLM_F_CREATE | NLM_F_EXCL, pair);
    let mut by_name = LinkMessage::default();
    by_name.attributes.push(LinkAttribute::IfName(spec.name.clone()));
    here.add(format!("find link '{}'", spec.name), 0, RouteNetlinkMessage::GetLink(by_name));
    let answers = here.send_all()?;
    let link = answers.into_iter().flatten().find_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(message) => Some(read(&message)),
        _ => None,
    });
    let link = link.ok_or_else(|| Error::from_errno(libc::ENODEV, operation))?;
    if let Err(error) = set_up(&mut here, link.index, &spec.setup).and_then(|()| set_up_peer(&mut here, &link, spec)) {
        here.add(format!("delete link {}", link.index), 0, RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(link.index).build()));
        let _ = here.send_all();
        return Err(error);
    }
    Ok(Link { up: link.up || spec.setup.up, ..link })
}

fn set_up_peer(here: &mut Exchange, link: &Link, spec: &VethSpec) -> Result<()> {
    let peer = link.peer.ok_or_else(|| Error::from_errno(libc::ENODEV, format!("find the other end of '{}'", spec.name)))?;
    if spec.peer_setup == LinkSetup::default() {
        return Ok(());
    }
    let Some(path) = spec.peer_namespace.as_deref() else { return set_up(here, peer, &spec.peer_setup) };
    let setup = spec.peer_setup.clone();
    netns::within(Some(Path::new(path)), move || set_up(&mut Exchange::open()?, peer, &setup))
}

fn pair(spec: &VethSpec, namespace: Option<&File>, operation: &str) -> Result<LinkMessage> {
    let mut peer = end(&spec.peer, spec.peer_mac.as_deref(), spec.mtu, operation)?;
    if let Some(namespace) = namespace {
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
    }
    let mut message = end(&spec.name, spec.mac.as_deref(), spec.mtu, operation)?;
    let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))];
    message.attributes.push(LinkAttribute::LinkInfo(info));
    Ok(message)
}

fn end(name: &str, mac: Option<&str>, mtu: Option<u32>, operation: &str) -> Result<LinkMessage> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.into()));
    if let Some(mac) = mac {
        message.attributes.push(LinkAttribute::Address(parse_mac(mac, operation)?));
    }
    if let Some(mtu) = mtu {
        message.attributes.push(LinkAttribute::Mtu(mtu));
    }
    Ok(message)
}
