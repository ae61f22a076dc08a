//! Neighbours: which link-layer address answers for an IP address on a link.

use netlink_packet_route::{
    AddressFamily,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
};

use super::{
    LinkSelector, Netlink, Pending, format_mac,
    link::{find, index_of},
    list, parse_ip, parse_mac,
};
use crate::error::{Context, Error};

/// An entry of the neighbour table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub index: u32,
    pub address: String,
    pub mac: Option<String>,
    /// `permanent`, `reachable`, `stale`, `incomplete`, `failed`, `delay`, `probe`, `no-arp` or `none`.
    pub state: String,
    /// The host answers requests for this address itself.
    pub proxy: bool,
}

/// An entry to set.
#[derive(Debug, Clone, Default)]
pub struct NeighbourSpec {
    pub address: String,
    /// Left out only with `proxy`.
    pub mac: Option<String>,
    /// Stays for good; otherwise it is reachable now and ages.
    pub permanent: bool,
    pub proxy: bool,
    /// An entry that is there already is changed instead of refused.
    pub replace: bool,
}

impl Netlink {
    /// Neighbours on one link, or on all.
    pub fn neighbours(&self, link: Option<LinkSelector>) -> Pending<Vec<Neighbour>> {
        self.call(move |handle| async move {
            let index = match &link {
                Some(link) => Some(find(&handle, link).await?.index),
                None => None,
            };
            let mut neighbours = Vec::new();
            for request in [handle.neighbours().get(), handle.neighbours().get().proxies()] {
                for message in list(request.execute(), || "list neighbours".into()).await? {
                    if index.is_none_or(|index| index == message.header.ifindex) {
                        neighbours.extend(read(&message));
                    }
                }
            }
            Ok(neighbours)
        })
    }

    pub fn add_neighbour(&self, link: LinkSelector, spec: NeighbourSpec) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("add neighbour {} to link {link}", spec.address);
            let address = parse_ip(&spec.address, &operation)?;
            let mac = spec.mac.as_deref().map(|mac| parse_mac(mac, &operation)).transpose()?;
            if mac.is_none() && !spec.proxy {
                return Err(Error::invalid(operation, "it has no MAC address"));
            }
            let index = index_of(&handle, &link).await?;
            let state = if spec.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
            let mut request = handle.neighbours().add(index, address).state(state);
            if let Some(mac) = &mac {
                request = request.link_layer_address(mac);
            }
            if spec.proxy {
                request = request.flags(NeighbourFlags::Proxy);
            }
            if spec.replace {
                request = request.replace();
            }
            request.execute().await.context(|| operation)
        })
    }

    /// `ENOENT` when there is no such entry.
    pub fn delete_neighbour(&self, link: LinkSelector, address: String, proxy: bool) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("delete neighbour {address} of link {link}");
            let address = parse_ip(&address, &operation)?;
            let mut message = NeighbourMessage::default();
            message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            message.header.ifindex = index_of(&handle, &link).await?;
            if proxy {
                message.header.flags = NeighbourFlags::Proxy;
            }
            message.attributes.push(NeighbourAttribute::Destination(address.into()));
            handle.neighbours().del(message).execute().await.context(|| operation)
        })
    }
}

fn read(message: &NeighbourMessage) -> Option<Neighbour> {
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(ip.to_string()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => address = Some(ip.to_string()),
            NeighbourAttribute::LinkLayerAddress(octets) if octets.len() == 6 => mac = Some(format_mac(octets)),
            _ => {}
        }
    }
    Some(Neighbour {
        index: message.header.ifindex,
        address: address?,
        mac,
        state: state_name(message.header.state).into(),
        proxy: message.header.flags.contains(NeighbourFlags::Proxy),
    })
}

fn state_name(state: NeighbourState) -> &'static str {
    match state {
        NeighbourState::Incomplete => "incomplete",
        NeighbourState::Reachable => "reachable",
        NeighbourState::Stale => "stale",
        NeighbourState::Delay => "delay",
        NeighbourState::Probe => "probe",
        NeighbourState::Failed => "failed",
        NeighbourState::Noarp => "no-arp",
        NeighbourState::Permanent => "permanent",
        _ => "none",
    }
}
