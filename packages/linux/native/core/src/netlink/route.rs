//! Routes, and the kernel's own answer to where a packet would go.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use rtnetlink::{Handle, RouteMessageBuilder, RouteNextHopBuilder};

use super::{
    LinkSelector, Netlink, Pending,
    link::{find, index_of},
    list, parse_ip, parse_prefix,
};
use crate::error::{Context, Error, Result};

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouteKind {
    #[default]
    Unicast,
    Local,
    Broadcast,
    Multicast,
    Anycast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    Other,
}

impl RouteKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Anycast => "anycast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
            Self::Other => "other",
        }
    }

    /// The kinds that may be configured.
    pub fn parse(name: &str) -> Result<Self> {
        [Self::Unicast, Self::Local, Self::Blackhole, Self::Unreachable, Self::Prohibit, Self::Throw]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Error::invalid("set a route", format!("'{name}' is no kind of route")))
    }

    fn to_kernel(self) -> RouteType {
        match self {
            Self::Local => RouteType::Local,
            Self::Blackhole => RouteType::BlackHole,
            Self::Unreachable => RouteType::Unreachable,
            Self::Prohibit => RouteType::Prohibit,
            Self::Throw => RouteType::Throw,
            _ => RouteType::Unicast,
        }
    }

    fn from_kernel(kind: RouteType) -> Self {
        match kind {
            RouteType::Unicast => Self::Unicast,
            RouteType::Local => Self::Local,
            RouteType::Broadcast => Self::Broadcast,
            RouteType::Multicast => Self::Multicast,
            RouteType::Anycast => Self::Anycast,
            RouteType::BlackHole => Self::Blackhole,
            RouteType::Unreachable => Self::Unreachable,
            RouteType::Prohibit => Self::Prohibit,
            RouteType::Throw => Self::Throw,
            _ => Self::Other,
        }
    }
}

/// One way out of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextHop {
    pub gateway: Option<String>,
    pub link: Option<LinkSelector>,
    /// 1-256.
    pub weight: u32,
}

/// A route of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// `address/length`.
    pub destination: String,
    pub kind: RouteKind,
    pub table: u32,
    /// Number of the routing protocol (RTPROT_*): 2 kernel, 3 boot, 4 static, 186 BGP….
    pub protocol: u8,
    pub metric: u32,
    pub preferred_source: Option<String>,
    pub mtu: Option<u32>,
    pub next_hops: Vec<NextHop>,
}

/// A route to set or delete.
#[derive(Debug, Clone, Default)]
pub struct RouteSpec {
    pub destination: String,
    pub kind: RouteKind,
    pub next_hops: Vec<NextHop>,
    pub table: Option<u32>,
    pub protocol: Option<u8>,
    pub metric: Option<u32>,
    pub preferred_source: Option<String>,
    pub mtu: Option<u32>,
    /// The gateways are on the link, whatever its addresses say.
    pub on_link: bool,
    /// A route that is there already is changed instead of refused.
    pub replace: bool,
}

/// Where the kernel sends a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLookup {
    pub kind: RouteKind,
    pub index: u32,
    /// Name of the link.
    pub link: String,
    /// Left out when the destination is on the link.
    pub gateway: Option<String>,
    /// Source address of a packet that is not bound to one.
    pub source: Option<String>,
    /// Path MTU if one is known or configured, else the link's.
    pub mtu: u32,
    pub table: u32,
}

impl Netlink {
    /// Routes of one table (254 is the main one), or of all.
    pub fn routes(&self, table: Option<u32>) -> Pending<Vec<Route>> {
        self.call(move |handle| async move {
            let mut routes = Vec::new();
            for message in
                [RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(), RouteMessageBuilder::<std::net::Ipv6Addr>::new().build()]
            {
                for message in list(handle.route().get(message).execute(), || "list routes".into()).await? {
                    let route = read(&message);
                    if table.is_none_or(|table| table == route.table) {
                        routes.push(route);
                    }
                }
            }
            Ok(routes)
        })
    }

    pub fn add_route(&self, spec: RouteSpec) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("add route {}", spec.destination);
            let message = write(&handle, &spec, &operation).await?;
            let request = handle.route().add(message);
            let request = if spec.replace { request.replace() } else { request };
            request.execute().await.context(|| operation)
        })
    }

    /// `ESRCH` when there is no such route.
    pub fn delete_route(&self, spec: RouteSpec) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("delete route {}", spec.destination);
            let mut message = write(&handle, &spec, &operation).await?;
            if spec.protocol.is_none() {
                message.header.protocol = RouteProtocol::Unspec;
            }
            if spec.next_hops.is_empty() && spec.kind == RouteKind::Unicast {
                message.header.kind = RouteType::Unspec;
            }
            message.header.scope = RouteScope::NoWhere;
            handle.route().del(message).execute().await.context(|| operation)
        })
    }

    /// The kernel's lookup for `destination`, from `source` or over `link` where they are given. `ENETUNREACH` or `EHOSTUNREACH` without a route.
    pub fn lookup_route(
        &self,
        destination: String,
        source: Option<String>,
        link: Option<LinkSelector>,
        mark: Option<u32>,
    ) -> Pending<RouteLookup> {
        self.call(move |handle| async move {
            let operation = format!("look up the route to {destination}");
            let destination = parse_ip(&destination, &operation)?;
            let bits = if destination.is_ipv4() { 32 } else { 128 };
            let mut builder = RouteMessageBuilder::<IpAddr>::new()
                .destination_prefix(destination, bits)
                .map_err(|error| Error::invalid(operation.clone(), error.to_string()))?;
            if let Some(source) = &source {
                let source = parse_ip(source, &operation)?;
                builder = builder.source_prefix(source, bits).map_err(|error| Error::invalid(operation.clone(), error.to_string()))?;
            }
            if let Some(link) = &link {
                builder = builder.output_interface(index_of(&handle, link).await?);
            }
            if let Some(mark) = mark {
                builder = builder.mark(mark);
            }
            let mut message = builder.build();
            // A lookup asks with everything unspecified; the builder speaks for routes to be added.
            message.header.table = RouteHeader::RT_TABLE_UNSPEC;
            message.header.protocol = RouteProtocol::Unspec;
            message.header.scope = RouteScope::Universe;
            message.header.kind = RouteType::Unspec;
            let answer = handle.route().get(message).execute().try_next().await.context(|| operation.clone())?;
            let answer = answer.ok_or_else(|| Error::from_errno(libc::ENETUNREACH, operation.clone()))?;
            let route = read(&answer);
            let hop = route.next_hops.first().cloned().unwrap_or_default();
            let Some(LinkSelector::Index(index)) = hop.link else {
                // Blackhole, prohibit and unreachable come back as a route for IPv6 and as an error for IPv4.
                return Err(Error::from_errno(libc::ENETUNREACH, operation));
            };
            let out = find(&handle, &LinkSelector::Index(index)).await?;
            Ok(RouteLookup {
                kind: route.kind,
                index,
                link: out.name,
                gateway: hop.gateway,
                source: route.preferred_source,
                mtu: route.mtu.unwrap_or(out.mtu),
                table: route.table,
            })
        })
    }
}

async fn write(handle: &Handle, spec: &RouteSpec, operation: &str) -> Result<RouteMessage> {
    let invalid = |detail: String| Error::invalid(operation, detail);
    let (destination, length) = parse_prefix(&spec.destination, operation)?;
    let mut builder = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(destination, length)
        .map_err(|error| invalid(error.to_string()))?
        .kind(spec.kind.to_kernel())
        .protocol(RouteProtocol::from(spec.protocol.unwrap_or(libc::RTPROT_STATIC)));
    if let Some(table) = spec.table {
        builder = builder.table_id(table);
    }
    if let Some(metric) = spec.metric {
        builder = builder.priority(metric);
    }
    if let Some(source) = &spec.preferred_source {
        builder = builder.pref_source(parse_ip(source, operation)?).map_err(|error| invalid(error.to_string()))?;
    }
    let mut has_gateway = false;
    match spec.next_hops.as_slice() {
        [] => {}
        [hop] => {
            if let Some(gateway) = &hop.gateway {
                has_gateway = true;
                builder = builder.gateway(parse_ip(gateway, operation)?).map_err(|error| invalid(error.to_string()))?;
            }
            if let Some(link) = &hop.link {
                builder = builder.output_interface(index_of(handle, link).await?);
            }
            if spec.on_link {
                builder = builder.onlink();
            }
        }
        hops => {
            let mut built = Vec::with_capacity(hops.len());
            for hop in hops {
                let mut next = if destination.is_ipv4() { RouteNextHopBuilder::new_ipv4() } else { RouteNextHopBuilder::new_ipv6() };
                if let Some(gateway) = &hop.gateway {
                    has_gateway = true;
                    next = next.via(parse_ip(gateway, operation)?).map_err(|error| invalid(error.to_string()))?;
                }
                if let Some(link) = &hop.link {
                    next = next.interface(index_of(handle, link).await?);
                }
                if spec.on_link {
                    next = next.onlink();
                }
                let weight = u8::try_from(hop.weight.max(1) - 1).map_err(|_| invalid(format!("weight {} is not in 1-256", hop.weight)))?;
                built.push(next.weight(weight).build());
            }
            builder = builder.multipath(built);
        }
    }
    if destination.is_ipv4() && spec.kind == RouteKind::Local {
        builder = builder.scope(RouteScope::Host);
    } else if destination.is_ipv4() && spec.kind == RouteKind::Unicast && !has_gateway {
        builder = builder.scope(RouteScope::Link);
    }
    let mut message = builder.build();
    if let Some(mtu) = spec.mtu {
        message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    }
    Ok(message)
}

fn read(message: &RouteMessage) -> Route {
    let unspecified = match message.header.address_family {
        netlink_packet_route::AddressFamily::Inet6 => "::",
        _ => "0.0.0.0",
    };
    let mut destination = unspecified.to_owned();
    let mut single = NextHop { weight: 1, ..NextHop::default() };
    let mut route = Route {
        kind: RouteKind::from_kernel(message.header.kind),
        table: u32::from(message.header.table),
        protocol: message.header.protocol.into(),
        ..Route::default()
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = text(address).unwrap_or(destination),
            RouteAttribute::Gateway(address) => single.gateway = text(address),
            RouteAttribute::Via(via) => single.gateway = via_text(via),
            RouteAttribute::Oif(index) => single.link = Some(LinkSelector::Index(*index)),
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::PrefSource(address) => route.preferred_source = text(address),
            RouteAttribute::Metrics(metrics) => {
                route.mtu =
                    metrics.iter().find_map(|metric| if let RouteMetric::Mtu(mtu) = metric { Some(*mtu) } else { None }).or(route.mtu);
            }
            RouteAttribute::MultiPath(hops) => {
                for hop in hops {
                    let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Gateway(address) => text(address),
                        RouteAttribute::Via(via) => via_text(via),
                        _ => None,
                    });
                    route.next_hops.push(NextHop {
                        gateway,
                        link: Some(LinkSelector::Index(hop.interface_index)),
                        weight: u32::from(hop.hops) + 1,
                    });
                }
            }
            _ => {}
        }
    }
    if single.gateway.is_some() || single.link.is_some() {
        route.next_hops.push(single);
    }
    route.destination = format!("{destination}/{}", message.header.destination_prefix_length);
    route
}

fn text(address: &RouteAddress) -> Option<String> {
    match address {
        RouteAddress::Inet(ip) => Some(ip.to_string()),
        RouteAddress::Inet6(ip) => Some(ip.to_string()),
        _ => None,
    }
}

fn via_text(via: &RouteVia) -> Option<String> {
    match via {
        RouteVia::Inet(ip) => Some(ip.to_string()),
        RouteVia::Inet6(ip) => Some(ip.to_string()),
        _ => None,
    }
}
