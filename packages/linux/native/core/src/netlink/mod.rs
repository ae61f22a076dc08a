//! rtnetlink in one network namespace: a thread inside it owns the socket, calls are handed to it and awaited.

mod address;
pub(crate) mod exchange;
mod link;
mod neighbour;
mod reap;
mod route;
pub(crate) mod setup;
mod veth;

use std::{
    future::Future,
    net::IpAddr,
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use futures_util::{Stream, TryStreamExt, pin_mut};
use rtnetlink::{Handle, packet_core::NetlinkPayload};
use tokio::runtime::{Builder, Runtime};

pub(crate) use self::link::check_name as check_link_name;
pub use self::{
    address::{Address, AddressSpec},
    link::{Link, LinkChange, LinkSelector},
    neighbour::{Neighbour, NeighbourSpec},
    reap::{Graveyard, bury, reap},
    route::{NextHop, Route, RouteKind, RouteLookup, RouteSpec},
    setup::LinkSetup,
    veth::{PairKind, VethSpec},
};
use crate::{
    error::{Context, Error, Result},
    netns,
};

type Job = Box<dyn FnOnce(&Runtime, &Handle) + Send>;

/// A netlink socket in one namespace. Calls from several threads are carried out one after the other.
pub struct Netlink {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl Netlink {
    /// Opens a socket in the namespace at `path`, in the caller's when there is none.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let path = path.map(Path::to_owned);
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, opened) = mpsc::channel::<Result<()>>();
        thread::Builder::new()
            .name("heddle-netlink".into())
            .spawn(move || {
                let opening = || -> Result<_> {
                    if let Some(path) = &path {
                        netns::enter(path)?;
                    }
                    let runtime = Builder::new_current_thread().enable_io().build().context(|| "start a runtime".into())?;
                    let guard = runtime.enter();
                    let (mut connection, handle, _) = rtnetlink::new_connection().context(|| "open a netlink socket".into())?;
                    // See `list`.
                    connection.set_forward_done(true);
                    drop(guard);
                    Ok((runtime, connection, handle))
                };
                let (runtime, connection, handle) = match opening() {
                    Ok(opened) => opened,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                runtime.spawn(connection);
                let _ = ready.send(Ok(()));
                for job in inbox {
                    job(&runtime, &handle);
                }
            })
            .context(|| "start a netlink thread".into())?;
        opened.recv().map_err(|_| lost())??;
        Ok(Self { jobs: Mutex::new(Some(jobs)) })
    }

    /// Ends the thread and its socket once the calls before are done. Idempotent.
    pub fn close(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Hands `work` to the thread; calls are carried out in the order in which they were handed over.
    fn call<T: Send + 'static, F: Future<Output = Result<T>>>(&self, work: impl FnOnce(Handle) -> F + Send + 'static) -> Pending<T> {
        let (reply, answer) = mpsc::channel();
        let job: Job = Box::new(move |runtime, handle| {
            let _ = reply.send(runtime.block_on(work(handle.clone())));
        });
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match &*jobs {
            None => Pending::failed(Error::new(libc::EBADF, "use a netlink socket", "it is closed")),
            Some(jobs) if jobs.send(job).is_err() => Pending::failed(lost()),
            Some(_) => Pending(Ok(answer)),
        }
    }
}

/// Everything that a request for a list is answered with. The end of a list is an answer that nobody expects, and has what it was broken off by: what it told until
/// then would pass for all that there is.
async fn list<T>(
    stream: impl Stream<Item = std::result::Result<T, rtnetlink::Error>>,
    operation: impl FnOnce() -> String,
) -> Result<Vec<T>> {
    pin_mut!(stream);
    let mut answers = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => return Ok(answers),
            Err(error) => match code_of_end(&error) {
                None => return Err(error).context(operation),
                Some(0) => return Ok(answers),
                Some(code) => return Err(Error::from_errno(code.abs(), operation())),
            },
        }
    }
}

/// The number of an error, 0 for none, where an answer is the end of a list.
fn code_of_end(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::UnexpectedMessage(message) => match &message.payload {
            NetlinkPayload::Done(done) => Some(done.code),
            _ => None,
        },
        _ => None,
    }
}

/// A call that was handed over.
#[must_use = "a call may fail"]
pub struct Pending<T>(Result<mpsc::Receiver<Result<T>>>);

impl<T> Pending<T> {
    /// A call that failed before it began.
    pub fn failed(error: Error) -> Self {
        Self(Err(error))
    }

    /// Blocks until it is done.
    pub fn wait(self) -> Result<T> {
        self.0?.recv().map_err(|_| lost())?
    }
}

fn lost() -> Error {
    Error::new(libc::EIO, "use a netlink socket", "its thread ended")
}

/// Reads an address written by a person.
fn parse_ip(text: &str, operation: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| Error::invalid(operation, format!("'{text}' is not an IP address")))
}

/// Reads `address/length`; without a length it is a host's.
fn parse_prefix(text: &str, operation: &str) -> Result<(IpAddr, u8)> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address = parse_ip(address, operation)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(length) => length
            .parse()
            .ok()
            .filter(|length| *length <= bits)
            .ok_or_else(|| Error::invalid(operation, format!("'{text}' has no prefix length of 0-{bits}")))?,
    };
    Ok((address, length))
}

/// Reads `aa:bb:cc:dd:ee:ff`.
fn parse_mac(text: &str, operation: &str) -> Result<Vec<u8>> {
    let octets: Option<Vec<u8>> =
        text.split(':').map(|octet| if octet.len() == 2 { u8::from_str_radix(octet, 16).ok() } else { None }).collect();
    octets.filter(|octets| octets.len() == 6).ok_or_else(|| Error::invalid(operation, format!("'{text}' is not a MAC address")))
}

fn format_mac(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use rtnetlink::packet_core::{DoneMessage, NetlinkHeader, NetlinkMessage, NetlinkPayload};
    use tokio::runtime::Builder;

    use super::{format_mac, list, parse_mac, parse_prefix};

    // What could not be listed passed for what was not there.
    #[test]
    fn a_list_that_was_broken_off_is_an_error() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let listed = |code: i32| {
            let mut done = DoneMessage::default();
            done.code = code;
            let end = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::Done(done));
            let answers = [Ok(1), Ok(2), Err(rtnetlink::Error::UnexpectedMessage(end))];
            runtime.block_on(list(stream::iter(answers), || "list links".into()))
        };
        assert_eq!(listed(0).unwrap(), [1, 2]);
        assert_eq!(listed(-libc::ENOMEM).unwrap_err().code(), "ENOMEM");
        let failed = runtime.block_on(list(stream::iter([Ok(1), Err(rtnetlink::Error::RequestFailed)]), || "list links".into()));
        assert_eq!(failed.unwrap_err().code(), "EIO");
    }

    #[test]
    fn prefixes() {
        assert_eq!(parse_prefix("10.0.0.0/8", "t").unwrap(), ("10.0.0.0".parse().unwrap(), 8));
        assert_eq!(parse_prefix("2001:db8::1", "t").unwrap(), ("2001:db8::1".parse().unwrap(), 128));
        for text in ["10.0.0.0/33", "10.0.0/8", "::/129", "::1/", "x", "10.0.0.1/-1"] {
            assert_eq!(parse_prefix(text, "t").unwrap_err().code(), "EINVAL", "{text}");
        }
    }

    #[test]
    fn mac_addresses() {
        assert_eq!(format_mac(&parse_mac("02:00:5e:10:00:ff", "t").unwrap()), "02:00:5e:10:00:ff");
        for text in ["", "02:00:5e:10:00", "2:0:5e:10:0:ff", "02:00:5e:10:00:fg"] {
            assert!(parse_mac(text, "t").is_err(), "{text}");
        }
    }
}
