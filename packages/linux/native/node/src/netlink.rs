//! rtnetlink.

use heddle_linux_core::{
    Result as CoreResult,
    netlink::{self as core, LinkSelector, RouteKind},
};
use napi::bindgen_prelude::{AsyncTask, Either, ToNapiValue, TypeName};
use napi_derive::napi;

use crate::{
    job::{Job, job},
    namespace::path,
};

/// Name or index.
#[napi]
pub type NativeSelector = Either<String, u32>;

fn selector(link: NativeSelector) -> LinkSelector {
    match link {
        Either::A(name) => LinkSelector::Name(name),
        Either::B(index) => LinkSelector::Index(index),
    }
}

#[napi(object)]
pub struct NativeLink {
    pub index: u32,
    pub name: String,
    pub kind: String,
    pub mtu: u32,
    pub up: bool,
    pub state: String,
    pub mac: Option<String>,
    pub controller: Option<u32>,
    pub peer: Option<u32>,
    pub gso_max_size: Option<u32>,
    pub gso_ipv4_max_size: Option<u32>,
}

impl From<core::Link> for NativeLink {
    fn from(link: core::Link) -> Self {
        let core::Link { index, name, kind, mtu, up, state, mac, controller, peer, gso_max_size, gso_ipv4_max_size } = link;
        Self { index, name, kind, mtu, up, state, mac, controller, peer, gso_max_size, gso_ipv4_max_size }
    }
}

#[napi(object)]
pub struct NativeLinkChange {
    pub up: Option<bool>,
    pub mtu: Option<u32>,
    pub mac: Option<String>,
    pub name: Option<String>,
    pub link_local: Option<bool>,
    pub namespace: Option<String>,
}

#[napi(object)]
pub struct NativeVeth {
    /// Whether it is a netkit pair.
    pub is_netkit: Option<bool>,
    pub name: String,
    pub peer: String,
    pub peer_namespace: Option<String>,
    pub mtu: Option<u32>,
    pub mac: Option<String>,
    pub peer_mac: Option<String>,
    pub setup: Option<NativeLinkSetup>,
    pub peer_setup: Option<NativeLinkSetup>,
}

#[napi(object)]
pub struct NativeVethEnds {
    pub end: NativeLink,
    pub peer: NativeLink,
}

/// What a link shall be; what is left out stays.
#[napi(object)]
#[derive(Default)]
pub struct NativeLinkSetup {
    pub mtu: Option<u32>,
    pub gso_max_size: Option<u32>,
    pub gso_ipv4_max_size: Option<u32>,
    pub link_local: Option<bool>,
    pub resolves: Option<bool>,
    pub addresses: Option<Vec<NativeAddressSpec>>,
    pub only_these: Option<bool>,
    pub routes: Option<Vec<String>>,
    pub up: Option<bool>,
}

pub fn link_setup(setup: Option<NativeLinkSetup>) -> core::LinkSetup {
    let NativeLinkSetup { mtu, gso_max_size, gso_ipv4_max_size, link_local, resolves, addresses, only_these, routes, up } =
        setup.unwrap_or_default();
    core::LinkSetup {
        mtu,
        gso_max_size,
        gso_ipv4_max_size,
        link_local,
        resolves,
        addresses: addresses.unwrap_or_default().into_iter().map(address_spec).collect(),
        only_these: only_these.unwrap_or(false),
        routes: routes.unwrap_or_default(),
        up: up.unwrap_or(false),
    }
}

#[napi(object)]
pub struct NativeAddress {
    pub index: u32,
    pub address: String,
    pub prefix_length: u8,
    pub peer: Option<String>,
    pub tentative: bool,
    pub permanent: bool,
}

#[napi(object)]
pub struct NativeAddressSpec {
    pub address: String,
    pub peer: Option<String>,
    pub no_dad: Option<bool>,
    pub no_prefix_route: Option<bool>,
    pub replace: Option<bool>,
}

#[napi(object)]
pub struct NativeNextHop {
    pub gateway: Option<String>,
    pub link: Option<NativeSelector>,
    pub weight: Option<u32>,
}

#[napi(object)]
pub struct NativeRoute {
    pub destination: String,
    pub kind: String,
    pub table: u32,
    pub protocol: u8,
    pub metric: u32,
    pub preferred_source: Option<String>,
    pub mtu: Option<u32>,
    pub next_hops: Vec<NativeNextHop>,
}

#[napi(object)]
pub struct NativeRouteSpec {
    pub destination: String,
    pub kind: Option<String>,
    pub next_hops: Vec<NativeNextHop>,
    pub table: Option<u32>,
    pub protocol: Option<u8>,
    pub metric: Option<u32>,
    pub preferred_source: Option<String>,
    pub mtu: Option<u32>,
    pub on_link: Option<bool>,
    pub replace: Option<bool>,
}

#[napi(object)]
pub struct NativeRouteLookup {
    pub kind: String,
    pub index: u32,
    pub link: String,
    pub gateway: Option<String>,
    pub source: Option<String>,
    pub mtu: u32,
    pub table: u32,
}

#[napi(object)]
pub struct NativeNeighbour {
    pub index: u32,
    pub address: String,
    pub mac: Option<String>,
    pub state: String,
    pub proxy: bool,
}

#[napi(object)]
pub struct NativeNeighbourSpec {
    pub address: String,
    pub mac: Option<String>,
    pub permanent: Option<bool>,
    pub proxy: Option<bool>,
    pub replace: Option<bool>,
}

fn address_spec(spec: NativeAddressSpec) -> core::AddressSpec {
    core::AddressSpec {
        address: spec.address,
        peer: spec.peer,
        no_dad: spec.no_dad.unwrap_or(false),
        no_prefix_route: spec.no_prefix_route.unwrap_or(false),
        replace: spec.replace.unwrap_or(false),
    }
}

fn route_spec(spec: NativeRouteSpec) -> CoreResult<core::RouteSpec> {
    let next_hop =
        |hop: NativeNextHop| core::NextHop { gateway: hop.gateway, link: hop.link.map(selector), weight: hop.weight.unwrap_or(1) };
    Ok(core::RouteSpec {
        destination: spec.destination,
        kind: spec.kind.as_deref().map_or(Ok(RouteKind::Unicast), RouteKind::parse)?,
        next_hops: spec.next_hops.into_iter().map(next_hop).collect(),
        table: spec.table,
        protocol: spec.protocol,
        metric: spec.metric,
        preferred_source: spec.preferred_source,
        mtu: spec.mtu,
        on_link: spec.on_link.unwrap_or(false),
        replace: spec.replace.unwrap_or(false),
    })
}

fn route(route: core::Route) -> NativeRoute {
    let link = |link| match link {
        LinkSelector::Name(name) => Either::A(name),
        LinkSelector::Index(index) => Either::B(index),
    };
    let next_hop = |hop: core::NextHop| NativeNextHop { gateway: hop.gateway, link: hop.link.map(link), weight: Some(hop.weight) };
    NativeRoute {
        destination: route.destination,
        kind: route.kind.name().into(),
        table: route.table,
        protocol: route.protocol,
        metric: route.metric,
        preferred_source: route.preferred_source,
        mtu: route.mtu,
        next_hops: route.next_hops.into_iter().map(next_hop).collect(),
    }
}

/// Frees the name and the routes of a link, which `links_reap` deletes with others, and sets it down on demand.
#[napi(ts_return_type = "Promise<void>")]
pub fn link_bury(namespace: Option<String>, index: u32, routes: Vec<String>, is_down: bool) -> AsyncTask<Job<()>> {
    job(move || core::bury(path(namespace).as_deref(), index, routes, is_down))
}

#[napi(object)]
pub struct NativeGraveyard {
    pub path: Option<String>,
    pub identity: Option<f64>,
}

#[napi(ts_return_type = "Promise<void>")]
pub fn links_reap(graveyards: Vec<NativeGraveyard>) -> AsyncTask<Job<()>> {
    let graveyard =
        |NativeGraveyard { path: name, identity }| core::Graveyard { path: path(name), identity: identity.map(|number| number as u64) };
    let graveyards = graveyards.into_iter().map(graveyard).collect();
    job(move || core::reap(graveyards))
}

/// A netlink socket in one namespace.
#[napi]
pub struct NativeNetlink {
    netlink: core::Netlink,
}

#[napi(ts_return_type = "Promise<NativeNetlink>")]
pub fn netlink_open(namespace: Option<String>) -> AsyncTask<Job<NativeNetlink>> {
    job(move || core::Netlink::open(path(namespace).as_deref()).map(|netlink| NativeNetlink { netlink }))
}

#[napi]
impl NativeNetlink {
    /// Hands the call over now, so that calls keep their order; a promise of its answer.
    fn call<T, R>(
        &self,
        start: impl FnOnce(&core::Netlink) -> core::Pending<T>,
        convert: impl FnOnce(T) -> R + Send + 'static,
    ) -> AsyncTask<Job<R>>
    where
        T: Send + 'static,
        R: Send + ToNapiValue + TypeName + 'static,
    {
        let pending = start(&self.netlink);
        job(move || pending.wait().map(convert))
    }

    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.netlink.close();
    }

    #[napi(ts_return_type = "Promise<Array<NativeLink>>")]
    pub fn links(&self) -> AsyncTask<Job<Vec<NativeLink>>> {
        self.call(core::Netlink::links, |links| links.into_iter().map(NativeLink::from).collect())
    }

    #[napi(ts_return_type = "Promise<NativeLink>")]
    pub fn link(&self, link: NativeSelector) -> AsyncTask<Job<NativeLink>> {
        self.call(move |netlink| netlink.link(selector(link)), NativeLink::from)
    }

    #[napi(ts_return_type = "Promise<NativeLink>")]
    pub fn change_link(&self, link: NativeSelector, change: NativeLinkChange) -> AsyncTask<Job<NativeLink>> {
        let NativeLinkChange { up, mtu, mac, name, link_local, namespace } = change;
        let change = core::LinkChange { up, mtu, mac, name, link_local, namespace: path(namespace) };
        self.call(move |netlink| netlink.change_link(selector(link), change), NativeLink::from)
    }

    #[napi(ts_return_type = "Promise<NativeLink>")]
    pub fn set_up_link(&self, link: NativeSelector, setup: NativeLinkSetup) -> AsyncTask<Job<NativeLink>> {
        let setup = link_setup(Some(setup));
        self.call(move |netlink| netlink.set_up_link(selector(link), setup), NativeLink::from)
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn delete_link(&self, link: NativeSelector) -> AsyncTask<Job<()>> {
        self.call(move |netlink| netlink.delete_link(selector(link)), |()| ())
    }

    #[napi(ts_return_type = "Promise<NativeVethEnds>")]
    pub fn create_veth(&self, veth: NativeVeth) -> AsyncTask<Job<NativeVethEnds>> {
        let NativeVeth { is_netkit, name, peer, peer_namespace, mtu, mac, peer_mac, setup, peer_setup } = veth;
        let (setup, peer_setup) = (link_setup(setup), link_setup(peer_setup));
        let kind = if is_netkit == Some(true) { core::PairKind::Netkit } else { core::PairKind::Veth };
        let spec = core::VethSpec { kind, name, peer, peer_namespace: path(peer_namespace), mtu, mac, peer_mac, setup, peer_setup };
        self.call(move |netlink| netlink.create_veth(spec), |(end, peer)| NativeVethEnds { end: end.into(), peer: peer.into() })
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn raise_veth(&self, end: u32, peer: u32, peer_namespace: Option<String>, routes: Vec<String>) -> AsyncTask<Job<()>> {
        self.call(move |netlink| netlink.raise_veth(end, peer, path(peer_namespace), routes), |()| ())
    }

    #[napi(ts_return_type = "Promise<Array<NativeAddress>>")]
    pub fn addresses(&self, link: Option<NativeSelector>) -> AsyncTask<Job<Vec<NativeAddress>>> {
        let convert = |address: core::Address| {
            let core::Address { index, address, prefix_length, peer, tentative, permanent } = address;
            NativeAddress { index, address, prefix_length, peer, tentative, permanent }
        };
        self.call(move |netlink| netlink.addresses(link.map(selector)), move |all| all.into_iter().map(convert).collect())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn add_address(&self, link: NativeSelector, spec: NativeAddressSpec) -> AsyncTask<Job<()>> {
        self.call(move |netlink| netlink.add_address(selector(link), address_spec(spec)), |()| ())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn delete_address(&self, link: NativeSelector, address: String) -> AsyncTask<Job<()>> {
        self.call(move |netlink| netlink.delete_address(selector(link), address), |()| ())
    }

    #[napi(ts_return_type = "Promise<Array<NativeRoute>>")]
    pub fn routes(&self, table: Option<u32>) -> AsyncTask<Job<Vec<NativeRoute>>> {
        self.call(move |netlink| netlink.routes(table), |routes| routes.into_iter().map(route).collect())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn add_route(&self, spec: NativeRouteSpec) -> AsyncTask<Job<()>> {
        self.call(move |netlink| route_spec(spec).map_or_else(core::Pending::failed, |spec| netlink.add_route(spec)), |()| ())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn delete_route(&self, spec: NativeRouteSpec) -> AsyncTask<Job<()>> {
        self.call(move |netlink| route_spec(spec).map_or_else(core::Pending::failed, |spec| netlink.delete_route(spec)), |()| ())
    }

    #[napi(ts_return_type = "Promise<NativeRouteLookup>")]
    pub fn lookup_route(
        &self,
        destination: String,
        source: Option<String>,
        link: Option<NativeSelector>,
        mark: Option<u32>,
    ) -> AsyncTask<Job<NativeRouteLookup>> {
        let convert = |answer: core::RouteLookup| {
            let core::RouteLookup { kind, index, link, gateway, source, mtu, table } = answer;
            NativeRouteLookup { kind: kind.name().into(), index, link, gateway, source, mtu, table }
        };
        self.call(move |netlink| netlink.lookup_route(destination, source, link.map(selector), mark), convert)
    }

    #[napi(ts_return_type = "Promise<Array<NativeNeighbour>>")]
    pub fn neighbours(&self, link: Option<NativeSelector>) -> AsyncTask<Job<Vec<NativeNeighbour>>> {
        let convert = |neighbour: core::Neighbour| {
            let core::Neighbour { index, address, mac, state, proxy } = neighbour;
            NativeNeighbour { index, address, mac, state, proxy }
        };
        self.call(move |netlink| netlink.neighbours(link.map(selector)), move |all| all.into_iter().map(convert).collect())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn add_neighbour(&self, link: NativeSelector, spec: NativeNeighbourSpec) -> AsyncTask<Job<()>> {
        let spec = core::NeighbourSpec {
            address: spec.address,
            mac: spec.mac,
            permanent: spec.permanent.unwrap_or(true),
            proxy: spec.proxy.unwrap_or(false),
            replace: spec.replace.unwrap_or(false),
        };
        self.call(move |netlink| netlink.add_neighbour(selector(link), spec), |()| ())
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn delete_neighbour(&self, link: NativeSelector, address: String, proxy: bool) -> AsyncTask<Job<()>> {
        self.call(move |netlink| netlink.delete_neighbour(selector(link), address, proxy), |()| ())
    }
}

impl Drop for NativeNetlink {
    fn drop(&mut self) {
        self.netlink.close();
    }
}
