//! A link made what it shall be, in one go and by the calling thread.

use std::net::IpAddr;

use netlink_packet_route::{
    RouteNetlinkMessage,
    address::AddressMessage,
    link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkMessage},
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteScope, RouteType},
};
use rtnetlink::{
    LinkUnspec, RouteMessageBuilder,
    packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE},
};

use super::{AddressSpec, address, exchange::Exchange, parse_prefix};
use crate::error::{Error, Result};

/// What a link shall be; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkSetup {
    pub mtu: Option<u32>,
    /// Octets of the largest segment that senders make for it, of which the kernel takes some 300 for headers: of IPv6, and of both families up to 65,536.
    pub gso_max_size: Option<u32>,
    /// As `gso_max_size`, of IPv4 (Linux 6.3; older ones pass it over).
    pub gso_ipv4_max_size: Option<u32>,
    /// Whether the kernel gives it an IPv6 link-local address of its own.
    pub link_local: Option<bool>,
    /// Whether it resolves the addresses of neighbours (`IFF_NOARP`).
    pub resolves: Option<bool>,
    /// Addresses that it shall have.
    pub addresses: Vec<AddressSpec>,
    /// Whether it shall have no other ones, but for link-local ones.
    pub only_these: bool,
    /// Destinations that are sent to it; see [`lead`].
    pub routes: Vec<String>,
    /// Sets it up before the routes.
    pub up: bool,
}

/// Makes a link of the calling thread's namespace what it shall be, but for looking at what is there in one message to the kernel. After a refusal some of
/// it may be done: a refused address keeps neither the link from going up nor routes from leading to it.
pub(crate) fn set_up(exchange: &mut Exchange, index: u32, setup: &LinkSetup) -> Result<()> {
    let mut wanted = Vec::with_capacity(setup.addresses.len());
    for spec in &setup.addresses {
        wanted.push((spec, parse_prefix(&spec.address, &format!("add address {} to link {index}", spec.address))?));
    }
    if setup.only_these {
        let keeps = |prefix: (IpAddr, u8)| wanted.iter().any(|(_, other)| *other == prefix);
        remove_others(exchange, index, keeps)?;
    }
    if let Some(message) = shape(index, setup) {
        exchange.add(format!("change link {index}"), 0, RouteNetlinkMessage::SetLink(message));
    }
    for (spec, (ip, length)) in wanted {
        let operation = format!("add address {} to link {index}", spec.address);
        let message = address::message(index, ip, length, spec, &operation)?;
        let exists = if spec.replace { NLM_F_REPLACE } else { NLM_F_EXCL };
        exchange.add(operation, NLM_F_CREATE | exists, RouteNetlinkMessage::NewAddress(message));
    }
    if setup.up {
        let message = LinkUnspec::new_with_index(index).up().build();
        exchange.add(format!("set link {index} up"), 0, RouteNetlinkMessage::SetLink(message));
    }
    lead(exchange, index, &setup.routes)
}

/// MTU, segments, neighbours and link-local addresses in one message.
fn shape(index: u32, setup: &LinkSetup) -> Option<LinkMessage> {
    let mut request = LinkUnspec::new_with_index(index);
    if let Some(mtu) = setup.mtu {
        request = request.mtu(mtu);
    }
    if let Some(octets) = setup.gso_max_size {
        request = request.append_extra_attribute(LinkAttribute::GsoMaxSize(octets));
    }
    if let Some(octets) = setup.gso_ipv4_max_size {
        request = request.append_extra_attribute(LinkAttribute::GsoIpv4MaxSize(octets));
    }
    if let Some(link_local) = setup.link_local {
        let mode = if link_local { In6AddrGenMode::Eui64 } else { In6AddrGenMode::None };
        let family = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(mode)]);
        request = request.append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![family]));
    }
    let mut message = request.build();
    if let Some(resolves) = setup.resolves {
        message.header.change_mask |= LinkFlags::Noarp;
        message.header.flags.set(LinkFlags::Noarp, !resolves);
    }
    let has_segments = setup.gso_max_size.is_some() || setup.gso_ipv4_max_size.is_some();
    let is_needed = setup.mtu.is_some() || has_segments || setup.link_local.is_some() || setup.resolves.is_some();
    is_needed.then_some(message)
}

/// Takes away the addresses that are not to be kept.
fn remove_others(exchange: &mut Exchange, index: u32, keeps: impl Fn((IpAddr, u8)) -> bool) -> Result<()> {
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    for message in exchange.list("list addresses", request)? {
        let RouteNetlinkMessage::NewAddress(message) = message else { continue };
        let Some(ip) = address::local_of(&message).filter(|_| message.header.index == index) else { continue };
        let length = message.header.prefix_len;
        if !keeps((ip, length)) && !is_link_local(ip) {
            exchange.add(format!("delete address {ip}/{length} of link {index}"), 0, RouteNetlinkMessage::DelAddress(message));
        }
    }
    exchange.send_all().map(drop)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Sends what was added, and then destinations to a link. The link that was the first to have one keeps it: behind it, the route has a metric of the link's own, so that it is
/// there for packets bound to this link, and takes over when the first link goes.
fn lead(exchange: &mut Exchange, index: u32, destinations: &[String]) -> Result<()> {
    let mut prefixes = Vec::with_capacity(destinations.len());
    for destination in destinations {
        let operation = format!("add route {destination}");
        let prefix = parse_prefix(destination, &operation)?;
        exchange.add(operation, NLM_F_CREATE | NLM_F_EXCL, RouteNetlinkMessage::NewRoute(route(prefix, index, None)?));
        prefixes.push(prefix);
    }
    let mut taken = Vec::new();
    let mut outcomes = exchange.send()?;
    let of_routes = outcomes.split_off(outcomes.len() - prefixes.len());
    outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    for (outcome, prefix) in of_routes.into_iter().zip(prefixes) {
        match outcome {
            Err(error) if error.errno == libc::EEXIST => taken.push(prefix),
            outcome => drop(outcome?),
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    let ours = routes_of(exchange, index)?;
    for (ip, length) in taken.into_iter().filter(|prefix| !ours.contains(prefix)) {
        let metric = index + if ip.is_ipv6() { FIRST_IPV6_METRIC } else { 0 };
        let message = RouteNetlinkMessage::NewRoute(route((ip, length), index, Some(metric))?);
        exchange.add(format!("add route {ip}/{length} of metric {metric}"), NLM_F_CREATE | NLM_F_REPLACE, message);
    }
    exchange.send_all().map(drop)
}

/// A route of `lead`, whatever its metric, to take it away by.
pub(crate) fn route_to(destination: &str, index: u32) -> Result<RouteMessage> {
    route(parse_prefix(destination, &format!("delete route {destination}"))?, index, None)
}

/// What the kernel takes for a metric that is left out (`IP6_RT_PRIO_USER`); IPv4 takes 0.
const FIRST_IPV6_METRIC: u32 = 1024;

fn route((ip, length): (IpAddr, u8), index: u32, metric: Option<u32>) -> Result<RouteMessage> {
    let mut builder = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(ip, length)
        .map_err(|error| Error::invalid(format!("add route {ip}/{length}"), error.to_string()))?
        .output_interface(index);
    if ip.is_ipv4() {
        builder = builder.scope(RouteScope::Link);
    }
    if let Some(metric) = metric {
        builder = builder.priority(metric);
    }
    Ok(builder.build())
}

/// Destinations of the main table that lead to a link.
fn routes_of(exchange: &mut Exchange, index: u32) -> Result<Vec<(IpAddr, u8)>> {
    let mut found = Vec::new();
    for request in [RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(), RouteMessageBuilder::<std::net::Ipv6Addr>::new().build()] {
        let unspecified: IpAddr = match request.header.address_family {
            netlink_packet_route::AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
            _ => std::net::Ipv4Addr::UNSPECIFIED.into(),
        };
        for message in exchange.list("list routes", RouteNetlinkMessage::GetRoute(request))? {
            let RouteNetlinkMessage::NewRoute(message) = message else { continue };
            let is_main = message.header.table == RouteHeader::RT_TABLE_MAIN && message.header.kind == RouteType::Unicast;
            if is_main && message.attributes.contains(&RouteAttribute::Oif(index)) {
                found.push((destination_of(&message).unwrap_or(unspecified), message.header.destination_prefix_length));
            }
        }
    }
    Ok(found)
}

fn destination_of(message: &RouteMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(netlink_packet_route::route::RouteAddress::Inet(ip)) => Some((*ip).into()),
        RouteAttribute::Destination(netlink_packet_route::route::RouteAddress::Inet6(ip)) => Some((*ip).into()),
        _ => None,
    })
}
