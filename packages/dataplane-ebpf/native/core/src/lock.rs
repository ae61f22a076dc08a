//! One dataplane a link: an abstract unix socket belongs to a network namespace and ends with its process, so that nothing stale can be left. And one a
//! directory of pins, which those of several namespaces may reach: what locks it is an open file, which ends likewise.

use std::{
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
};

use heddle_linux_core::{Error, Result, error::Context, netns};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, fstat, open, stat},
    io::Errno,
};

use crate::bpffs;

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

/// Takes the lock of a directory of pins; `EADDRINUSE` when another process has it, or when the file system of it is being taken away.
pub fn take_pins(folder: &Path) -> Result<Lock> {
    let operation = || format!("lock {}", folder.display());
    let fd = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).context(operation)?;
    match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Err(Error::new(libc::EADDRINUSE, operation(), "another process has it")),
        other => other.context(operation)?,
    }
    let (locked, there) = (fstat(&fd).context(operation)?, stat(folder).context(operation)?);
    if !bpffs::is_mounted(folder) || (locked.st_dev, locked.st_ino) != (there.st_dev, there.st_ino) {
        return Err(Error::new(libc::EADDRINUSE, operation(), "its file system is being taken away"));
    }
    Ok(Lock { _fd: fd })
}
