//! Links that are taken away later, many at once: the kernel waits for several grace periods for each call, whatever number of links it deletes.

use std::{
    path::{Path, PathBuf},
    thread,
};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use rtnetlink::LinkUnspec;

use super::{exchange::Exchange, setup::route_to};
use crate::{
    error::{Context, Result},
    netns,
};

/// Group of the links that are to go (`IFLA_GROUP`): whoever comes behind a process that died finds them by it.
const BURIED: u32 = u32::from_be_bytes(*b"hedd");

/// Namespaces in which links are deleted at once.
const AT_ONCE: usize = 8;

/// Frees the name of a link and its routes, which would hide those of the next one, and puts it among those that are to go. `is_down`: it takes nothing in
/// any more from then on.
pub fn bury(path: Option<&Path>, index: u32, routes: Vec<String>, is_down: bool) -> Result<()> {
    netns::within(path, move || {
        let mut exchange = Exchange::open()?;
        match put_away(&mut exchange, index, &routes, is_down) {
            // Before Linux 6.2 only a link that is down takes a name.
            Err(error) if error.errno == libc::EBUSY => {
                let down = RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(index).down().build());
                exchange.add(format!("set link {index} down"), 0, down);
                exchange.send_all()?;
                put_away(&mut exchange, index, &routes, is_down)
            }
            outcome => outcome,
        }
    })
}

fn put_away(exchange: &mut Exchange, index: u32, routes: &[String], is_down: bool) -> Result<()> {
    let mut request = LinkUnspec::new_with_index(index).name(format!("gone{index}")).append_extra_attribute(LinkAttribute::Group(BURIED));
    if is_down {
        request = request.down();
    }
    exchange.add(format!("free the name of link {index}"), 0, RouteNetlinkMessage::SetLink(request.build()));
    for destination in routes {
        exchange.add(format!("delete route {destination}"), 0, RouteNetlinkMessage::DelRoute(route_to(destination, index)?));
    }
    exchange.send()?.into_iter().try_for_each(|outcome| match outcome {
        Err(error) if error.errno == libc::ESRCH => Ok(()), // a route that somebody else took away
        outcome => outcome.map(drop),
    })
}

/// A namespace in which links were buried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graveyard {
    /// The caller's own when left out.
    pub path: Option<PathBuf>,
    /// Number of the namespace, where the path may come to lead to another one.
    pub identity: Option<u64>,
}

/// Deletes what was buried. Links that went with their namespace, and namespaces that are gone, are no error.
pub fn reap(graveyards: Vec<Graveyard>) -> Result<()> {
    for some in graveyards.chunks(AT_ONCE) {
        let threads: Vec<_> = some
            .iter()
            .cloned()
            .map(|graveyard| thread::Builder::new().name("heddle-reaper".into()).spawn(move || reap_one(&graveyard)))
            .collect();
        for thread in threads {
            // What is refused here is found by its group the next time.
            let _ = thread.context(|| "start a thread".into())?.join();
        }
    }
    Ok(())
}

fn reap_one(graveyard: &Graveyard) -> Result<()> {
    let path = graveyard.path.as_deref();
    if graveyard.identity.is_some_and(|identity| netns::identity(path).is_ok_and(|found| found != identity)) {
        return Ok(());
    }
    if let Some(path) = path {
        netns::enter(path)?;
    }
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(BURIED));
    let mut exchange = Exchange::open()?;
    exchange.add("delete links".into(), 0, RouteNetlinkMessage::DelLink(message));
    exchange.send_all().map(drop)
}
