//! Links (interfaces): list, look up, change, delete, veth pairs.

use std::{fmt, fs::File, os::fd::AsRawFd, path::PathBuf};

use futures_util::TryStreamExt;
use netlink_packet_route::link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State};
use rtnetlink::{Handle, LinkUnspec};

use super::{LinkSetup, Netlink, Pending, exchange::Exchange, format_mac, list, parse_mac, setup::set_up};
use crate::error::{Context, Error, Result};

/// What the kernel says about a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `veth`, `tun`, `bridge`…; empty for hardware and loopback.
    pub kind: String,
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Operational state: `up`, `down`, `unknown`, `lower-layer-down`….
    pub state: String,
    pub mac: Option<String>,
    /// Index of the bridge or VRF that it belongs to.
    pub controller: Option<u32>,
    /// Index of the other end (veth) or of the lower link, perhaps in another namespace.
    pub peer: Option<u32>,
    /// Octets of the largest segment that senders make for it: of IPv6, and of IPv4 (Linux 6.3).
    pub gso_max_size: Option<u32>,
    pub gso_ipv4_max_size: Option<u32>,
}

/// How a link is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSelector {
    Name(String),
    Index(u32),
}

impl fmt::Display for LinkSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}'"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// What to change on a link; nothing else changes.
#[derive(Debug, Clone, Default)]
pub struct LinkChange {
    pub up: Option<bool>,
    pub mtu: Option<u32>,
    pub mac: Option<String>,
    pub name: Option<String>,
    /// Whether the kernel gives it an IPv6 link-local address of its own.
    pub link_local: Option<bool>,
    /// Path of the namespace to move it to.
    pub namespace: Option<PathBuf>,
}

impl Netlink {
    pub fn links(&self) -> Pending<Vec<Link>> {
        self.call(move |handle| async move {
            let links = list(handle.link().get().execute(), || "list links".into()).await?;
            Ok(links.iter().map(read).collect())
        })
    }

    /// `ENODEV` when there is none.
    pub fn link(&self, selector: LinkSelector) -> Pending<Link> {
        self.call(move |handle| async move { find(&handle, &selector).await })
    }

    pub fn change_link(&self, selector: LinkSelector, change: LinkChange) -> Pending<Link> {
        self.call(move |handle| async move {
            let operation = format!("change link {selector}");
            let index = index_of(&handle, &selector).await?;
            // The kernel applies the attributes of one request one by one; a rename wants the link down and so goes before `up`.
            let mut request = LinkUnspec::new_with_index(index);
            if let Some(name) = &change.name {
                check_name(name)?;
                request = request.name(name.clone());
            }
            if let Some(mtu) = change.mtu {
                request = request.mtu(mtu);
            }
            if let Some(mac) = &change.mac {
                request = request.address(parse_mac(mac, &operation)?);
            }
            if let Some(link_local) = change.link_local {
                let mode = if link_local { In6AddrGenMode::Eui64 } else { In6AddrGenMode::None };
                let family = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(mode)]);
                request = request.append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![family]));
            }
            match change.up {
                Some(true) => request = request.up(),
                Some(false) => request = request.down(),
                None => {}
            }
            let namespace = match &change.namespace {
                Some(path) => Some(File::open(path).context(|| format!("{operation}: open network namespace {}", path.display()))?),
                None => None,
            };
            if let Some(namespace) = &namespace {
                request = request.setns_by_fd(namespace.as_raw_fd());
            }
            let before = find(&handle, &LinkSelector::Index(index)).await?;
            handle.link().set(request.build()).execute().await.context(|| operation.clone())?;
            if namespace.is_some() { Ok(before) } else { find(&handle, &LinkSelector::Index(index)).await }
        })
    }

    /// Makes a link what it shall be, in one go; the link as it is then.
    pub fn set_up_link(&self, selector: LinkSelector, setup: LinkSetup) -> Pending<Link> {
        self.call(move |handle| async move {
            let index = index_of(&handle, &selector).await?;
            set_up(&mut Exchange::open()?, index, &setup)?;
            find(&handle, &LinkSelector::Index(index)).await
        })
    }

    pub fn delete_link(&self, selector: LinkSelector) -> Pending<()> {
        self.call(move |handle| async move {
            let index = index_of(&handle, &selector).await?;
            handle.link().del(index).execute().await.context(|| format!("delete link {selector}"))
        })
    }
}

/// Index of the link; an index is taken at its word.
pub(super) async fn index_of(handle: &Handle, selector: &LinkSelector) -> Result<u32> {
    match selector {
        LinkSelector::Index(index) => Ok(*index),
        LinkSelector::Name(_) => Ok(find(handle, selector).await?.index),
    }
}

pub(super) async fn find(handle: &Handle, selector: &LinkSelector) -> Result<Link> {
    let operation = || format!("find link {selector}");
    let request = match selector {
        LinkSelector::Name(name) => {
            check_name(name)?;
            handle.link().get().match_name(name.clone())
        }
        LinkSelector::Index(index) => handle.link().get().match_index(*index),
    };
    let message = request.execute().try_next().await.context(operation)?;
    message.as_ref().map(read).ok_or_else(|| Error::from_errno(libc::ENODEV, operation()))
}

/// Names of 1-15 octets without slash or blank, as the kernel wants them.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() < 16 && name != "." && name != "..";
    if fits && !name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace()) {
        return Ok(());
    }
    Err(Error::invalid(format!("name a link '{name}'"), "wants 1-15 octets without '/', ':' or blank"))
}

pub(super) fn read(message: &LinkMessage) -> Link {
    let mut link = Link { index: message.header.index, up: message.header.flags.contains(LinkFlags::Up), ..Link::default() };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name.clone(),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::OperState(state) => link.state = state_name(*state).into(),
            LinkAttribute::Address(octets) if octets.len() == 6 => link.mac = Some(format_mac(octets)),
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            LinkAttribute::Link(index) => link.peer = Some(*index),
            LinkAttribute::GsoMaxSize(octets) => link.gso_max_size = Some(*octets),
            LinkAttribute::GsoIpv4MaxSize(octets) => link.gso_ipv4_max_size = Some(*octets),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind.to_string();
                    }
                }
            }
            _ => {}
        }
    }
    link
}

fn state_name(state: State) -> &'static str {
    match state {
        State::NotPresent => "not-present",
        State::Down => "down",
        State::LowerLayerDown => "lower-layer-down",
        State::Testing => "testing",
        State::Dormant => "dormant",
        State::Up => "up",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn link_names() {
        assert!(check_name("eth0").is_ok());
        assert!(check_name("fifteen-octets-").is_ok());
        for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-octets--"] {
            assert_eq!(check_name(name).unwrap_err().code(), "EINVAL", "{name}");
        }
    }
}
