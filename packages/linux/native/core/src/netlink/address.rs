//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::AddressMessageBuilder;

use super::{
    LinkSelector, Netlink, Pending,
    link::{find, index_of},
    list, parse_ip, parse_prefix,
};
use crate::error::{Context, Error, Result};

/// An address that a link has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub index: u32,
    pub address: String,
    pub prefix_length: u8,
    /// The other end, where that differs from the address.
    pub peer: Option<String>,
    /// Duplicate address detection is not over.
    pub tentative: bool,
    /// Set by configuration, without a lifetime.
    pub permanent: bool,
}

/// An address to give to a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressSpec {
    /// `address/length`.
    pub address: String,
    /// Address of the other end of a point-to-point link.
    pub peer: Option<String>,
    /// IPv6: usable at once, without duplicate address detection (`IFA_F_NODAD`).
    pub no_dad: bool,
    /// No route to the prefix is made.
    pub no_prefix_route: bool,
    /// An address that is there already is changed instead of refused.
    pub replace: bool,
}

impl Netlink {
    /// Addresses of one link, or of all.
    pub fn addresses(&self, link: Option<LinkSelector>) -> Pending<Vec<Address>> {
        self.call(move |handle| async move {
            // An unknown index is an error, as an unknown name is; the kernel's dump would only be empty.
            let index = match &link {
                Some(link) => Some(find(&handle, link).await?.index),
                None => None,
            };
            let mut addresses = Vec::new();
            for message in list(handle.address().get().execute(), || "list addresses".into()).await? {
                if index.is_none_or(|index| index == message.header.index) {
                    addresses.extend(read(&message));
                }
            }
            Ok(addresses)
        })
    }

    pub fn add_address(&self, link: LinkSelector, spec: AddressSpec) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("add address {} to link {link}", spec.address);
            let (address, length) = parse_prefix(&spec.address, &operation)?;
            let index = index_of(&handle, &link).await?;
            let mut request = handle.address().add(index, address, length);
            if spec.replace {
                request = request.replace();
            }
            *request.message_mut() = message(index, address, length, &spec, &operation)?;
            request.execute().await.context(|| operation)
        })
    }

    /// `EADDRNOTAVAIL` when the link has no such address.
    pub fn delete_address(&self, link: LinkSelector, address: String) -> Pending<()> {
        self.call(move |handle| async move {
            let operation = format!("delete address {address} of link {link}");
            let (address, length) = parse_prefix(&address, &operation)?;
            let index = index_of(&handle, &link).await?;
            let found = list(handle.address().get().execute(), || operation.clone())
                .await?
                .into_iter()
                .find(|message| message.header.index == index && message.header.prefix_len == length && local_of(message) == Some(address));
            let message = found.ok_or_else(|| Error::from_errno(libc::EADDRNOTAVAIL, operation.clone()))?;
            handle.address().del(message).execute().await.context(|| operation)
        })
    }
}

/// What gives a link an address.
pub(super) fn message(index: u32, address: IpAddr, length: u8, spec: &AddressSpec, operation: &str) -> Result<AddressMessage> {
    let mut message = match address {
        IpAddr::V4(address) => AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, length).build(),
        IpAddr::V6(address) => AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(address, length).build(),
    };
    if let Some(peer) = &spec.peer {
        message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Address(_) | AddressAttribute::Local(_)));
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(parse_ip(peer, operation)?));
    }
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Nodad, spec.no_dad && address.is_ipv6());
    flags.set(AddressFlags::Noprefixroute, spec.no_prefix_route);
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    Ok(message)
}

/// The link's own address: IFA_LOCAL, and IFA_ADDRESS where that is missing (IPv6 without peer).
pub(super) fn local_of(message: &AddressMessage) -> Option<IpAddr> {
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(*local),
            AddressAttribute::Address(other) => address = Some(*other),
            _ => {}
        }
    }
    address
}

fn read(message: &AddressMessage) -> Option<Address> {
    let local = local_of(message)?;
    let mut peer = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(other) if *other != local && *other != IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
                peer = Some(other.to_string())
            }
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    Some(Address {
        index: message.header.index,
        address: local.to_string(),
        prefix_length: message.header.prefix_len,
        peer,
        tentative: flags.contains(AddressFlags::Tentative),
        permanent: flags.contains(AddressFlags::Permanent),
    })
}
