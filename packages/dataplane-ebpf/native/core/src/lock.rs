//! One dataplane a link: an abstract unix socket belongs to a network namespace and ends with its process, so that nothing stale can be left.

use std::{
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
};

use heddle_linux_core::{Result, error::Context, netns};

/// Held as long as the value lives.
pub struct Lock {
    _fd: OwnedFd,
}

/// Takes the lock `name` of a namespace; `EADDRINUSE` when another process has it.
pub fn take(namespace: Option<&Path>, name: &str) -> Result<Lock> {
    let name = format!("heddle-ebpf/{name}");
    netns::within(namespace, move || {
        let operation = || format!("take the lock '{name}'");
        let address = SocketAddr::from_abstract_name(&name).context(operation)?;
        let socket = UnixDatagram::bind_addr(&address).context(operation)?;
        Ok(Lock { _fd: socket.into() })
    })
}
