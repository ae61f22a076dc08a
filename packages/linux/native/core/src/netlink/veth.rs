//! Veth and netkit pairs, made and set up in one go.

use std::{fs::File, os::fd::AsRawFd, path::PathBuf};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoNetkit, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, NetkitMode, NetkitPolicy},
};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};

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

/// What joins the two ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PairKind {
    #[default]
    Veth,
    /// Frames of Ethernet, of which those of the other end go nowhere until a program takes them (Linux 6.7).
    Netkit,
}

/// A pair of links: one end here, the other here or in another namespace from its first moment on.
#[derive(Debug, Clone, Default)]
pub struct VethSpec {
    pub kind: PairKind,
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
    /// Makes and sets up the pair; returns the end that stays here, and the other one. On an error nothing of it stays.
    pub fn create_veth(&self, spec: VethSpec) -> Pending<(Link, Link)> {
        self.call(|_| async move { create(&spec) })
    }

    /// Sets both ends of a pair up: the one that is here, and behind it the other, with routes that lead to it; see [`LinkSetup::routes`].
    pub fn raise_veth(&self, end: u32, peer: u32, peer_namespace: Option<PathBuf>, routes: Vec<String>) -> Pending<()> {
        self.call(move |_| async move {
            let mut here = Exchange::open()?;
            set_up(&mut here, end, &LinkSetup { up: true, ..LinkSetup::default() })?;
            let setup = LinkSetup { up: true, routes, ..LinkSetup::default() };
            match &peer_namespace {
                None => set_up(&mut here, peer, &setup),
                Some(path) => netns::within(Some(path), move || set_up(&mut Exchange::open()?, peer, &setup)),
            }
        })
    }
}

fn create(spec: &VethSpec) -> Result<(Link, Link)> {
    let kind = if spec.kind == PairKind::Netkit { "netkit" } else { "veth" };
    let operation = format!("create {kind} pair '{}' and '{}'", spec.name, spec.peer);
    check_name(&spec.name)?;
    check_name(&spec.peer)?;
    let mut here = Exchange::open()?;
    let namespace = match &spec.peer_namespace {
        Some(path) => Some(File::open(path).context(|| format!("{operation}: open network namespace {}", path.display()))?),
        None => None,
    };
    let pair = RouteNetlinkMessage::NewLink(pair(spec, namespace.as_ref(), &operation)?);
    here.add(operation.clone(), NLM_F_CREATE | NLM_F_EXCL, pair);
    let made = finish(&mut here, &spec.name, &spec.setup)?;
    let peer = match &spec.peer_namespace {
        None => finish(&mut here, &spec.peer, &spec.peer_setup),
        Some(path) => {
            let (name, setup) = (spec.peer.clone(), spec.peer_setup.clone());
            netns::within(Some(path), move || finish(&mut Exchange::open()?, &name, &setup))
        }
    };
    peer.map(|peer| (made, peer)).inspect_err(|_| delete(&mut here, &spec.name))
}

/// Sends what was added, and sets an end up that is there then; the end as it is behind that. After a refusal there is none.
fn finish(exchange: &mut Exchange, name: &str, setup: &LinkSetup) -> Result<Link> {
    let link = find(exchange, name)?;
    if *setup == LinkSetup::default() {
        return Ok(link);
    }
    let done = set_up(exchange, link.index, setup).and_then(|()| find(exchange, name));
    done.inspect_err(|_| delete(exchange, name))
}

fn find(exchange: &mut Exchange, name: &str) -> Result<Link> {
    let operation = format!("find link '{name}'");
    exchange.add(operation.clone(), 0, RouteNetlinkMessage::GetLink(named(name)));
    let mut links = exchange.send_all()?.into_iter().flatten().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(message) => Some(read(&message)),
        _ => None,
    });
    links.next().ok_or_else(|| Error::from_errno(libc::ENODEV, operation))
}

/// Takes the pair away by one of its ends, which is no error when there is none.
fn delete(exchange: &mut Exchange, name: &str) {
    exchange.add(format!("delete link '{name}'"), 0, RouteNetlinkMessage::DelLink(named(name)));
    let _ = exchange.send_all();
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.into()));
    message
}

fn pair(spec: &VethSpec, namespace: Option<&File>, operation: &str) -> Result<LinkMessage> {
    let mut peer = end(&spec.peer, spec.peer_mac.as_deref(), spec.mtu, operation)?;
    if let Some(namespace) = namespace {
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
    }
    let mut message = end(&spec.name, spec.mac.as_deref(), spec.mtu, operation)?;
    let info = match spec.kind {
        PairKind::Veth => vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))],
        PairKind::Netkit => {
            let ways = [InfoNetkit::Mode(NetkitMode::L2), InfoNetkit::PeerPolicy(NetkitPolicy::Drop), InfoNetkit::Peer(peer)];
            vec![LinkInfo::Kind(InfoKind::Netkit), LinkInfo::Data(InfoData::Netkit(ways.into()))]
        }
    };
    message.attributes.push(LinkAttribute::LinkInfo(info));
    Ok(message)
}

fn end(name: &str, mac: Option<&str>, mtu: Option<u32>, operation: &str) -> Result<LinkMessage> {
    let mut message = named(name);
    if let Some(mac) = mac {
        message.attributes.push(LinkAttribute::Address(parse_mac(mac, operation)?));
    }
    if let Some(mtu) = mtu {
        message.attributes.push(LinkAttribute::Mtu(mtu));
    }
    Ok(message)
}
