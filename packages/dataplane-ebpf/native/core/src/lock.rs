//! One dataplane a link: an abstract unix socket belongs to a network namespace and ends with its process, so that nothing stale can be left. And one a
//! directory of pins, which those of several namespaces may reach: what locks it is an open file, which ends likewise.

use std::{
    fs,
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

/// What the names of sockets begin with.
const BEGINNING: &str = "heddle-ebpf/";

/// Held as long as the value lives.
pub struct Lock {
    _fd: OwnedFd,
}

/// Takes the lock `name` of a namespace; `EADDRINUSE` when another process has it.
pub fn take(namespace: Option<&Path>, name: &str) -> Result<Lock> {
    let name = format!("{BEGINNING}{name}");
    netns::within(namespace, move || {
        let operation = || format!("take the lock '{name}'");
        let address = SocketAddr::from_abstract_name(&name).context(operation)?;
        let socket = UnixDatagram::bind_addr(&address).context(operation)?;
        Ok(Lock { _fd: socket.into() })
    })
}

/// Number of the socket by which somebody has the lock `name` of a namespace; none while nobody has it.
pub fn socket_of(namespace: Option<&Path>, name: &str) -> Result<Option<u64>> {
    let wanted = format!("@{BEGINNING}{name}");
    netns::within(namespace, move || {
        // Of the namespace that the thread is in, unlike `/proc/net`, which is that of the process's first thread.
        const SOCKETS: &str = "/proc/thread-self/net/unix";
        // Names of others may be any octets.
        let table = fs::read(SOCKETS).context(|| format!("read {SOCKETS}"))?;
        Ok(String::from_utf8_lossy(&table).lines().find_map(|line| number_in(line, &wanted)))
    })
}

/// Of a line `Num RefCount Protocol Flags Type St Inode Path`.
fn number_in(line: &str, path: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    let number = words.nth(6)?.parse().ok()?;
    (words.next() == Some(path)).then_some(number)
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

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn finds_a_socket_beside_others_whose_names_are_no_text() -> Result<()> {
        let operation = || "bind a socket".to_owned();
        let octets = [&[0xff, 0xfe], process::id().to_string().as_bytes()].concat();
        let address = SocketAddr::from_abstract_name(octets).context(operation)?;
        let _other = UnixDatagram::bind_addr(&address).context(operation)?;
        let name = format!("some-{}", process::id());
        assert_eq!(socket_of(None, &name)?, None);
        let lock = take(None, &name)?;
        assert_eq!(socket_of(None, &name)?, Some(fstat(&lock._fd).context(|| "look at a lock".into())?.st_ino));
        Ok(())
    }
}
