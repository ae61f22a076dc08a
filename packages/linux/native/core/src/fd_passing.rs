//! Hand-over of open descriptors between processes over a UNIX socket (SCM_RIGHTS).

use std::{
    fs,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
        sendmsg, sockopt::socket_peercred,
    },
};

use crate::error::{Context, Error, Result};

/// Descriptors in one hand-over; the kernel takes at most 253 in a message.
pub const MAX_DESCRIPTORS: usize = 250;
/// Octets that go with them.
pub const MAX_BYTES: usize = 65_536;

/// Listens at `path` (mode 0600), hands `fds` and `bytes` to the first caller of this user or root, and removes the socket.
///
/// The descriptors stay open here. `ETIMEDOUT` when nobody came.
pub fn offer(path: &Path, fds: &[RawFd], bytes: &[u8], timeout: Duration) -> Result<()> {
    let operation = || format!("hand over descriptors at {}", path.display());
    if bytes.is_empty() || bytes.len() > MAX_BYTES || fds.len() > MAX_DESCRIPTORS {
        return Err(Error::invalid(operation(), format!("wants 1-{MAX_BYTES} octets and at most {MAX_DESCRIPTORS} descriptors")));
    }
    let listener = UnixListener::bind(path).context(operation)?;
    let result = (|| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).context(operation)?;
        listener.set_nonblocking(true).context(operation)?;
        let deadline = Instant::now() + timeout;
        let stream = loop {
            wait(listener.as_fd(), PollFlags::IN, deadline).context(operation)?;
            let (stream, _) = listener.accept().context(operation)?;
            let peer = socket_peercred(&stream).context(operation)?.uid;
            if peer.is_root() || peer == rustix::process::getuid() {
                break stream;
            }
        };
        send(&stream, fds, bytes, deadline).context(operation)
    })();
    let _ = fs::remove_file(path);
    result
}

/// Connects to `path` and takes what is offered there. `ENOENT` or `ECONNREFUSED` when nobody offers, `ETIMEDOUT` when nothing comes.
pub fn take(path: &Path, timeout: Duration) -> Result<(Vec<OwnedFd>, Vec<u8>)> {
    let operation = || format!("take over descriptors at {}", path.display());
    let stream = UnixStream::connect(path).context(operation)?;
    stream.set_nonblocking(true).context(operation)?;
    let deadline = Instant::now() + timeout;
    let (mut fds, mut bytes) = (Vec::new(), Vec::new());
    let mut chunk = vec![0; MAX_BYTES];
    loop {
        wait(stream.as_fd(), PollFlags::IN, deadline).context(operation)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = match recvmsg(&stream, &mut [IoSliceMut::new(&mut chunk)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => message,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(errno) => return Err(Error::from_io(errno.into(), operation())),
        };
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = ancillary {
                fds.extend(rights);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Error::new(libc::EMFILE, operation(), "the process may not open so many descriptors"));
        }
        if message.bytes == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..message.bytes]);
        if bytes.len() > MAX_BYTES {
            return Err(Error::new(libc::EMSGSIZE, operation(), format!("more than {MAX_BYTES} octets were offered")));
        }
    }
    if bytes.is_empty() {
        return Err(Error::new(libc::ECONNRESET, operation(), "nothing was handed over"));
    }
    Ok((fds, bytes))
}

fn send(stream: &UnixStream, fds: &[RawFd], bytes: &[u8], deadline: Instant) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    // SAFETY: only lent for the call; the kernel answers EBADF for a number that is not open, and -1 is excluded.
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| unsafe { BorrowedFd::borrow_raw((*fd).max(0)) }).collect();
    let mut sent = 0;
    while sent < bytes.len() {
        wait(stream.as_fd(), PollFlags::OUT, deadline)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if sent == 0 && !borrowed.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&borrowed));
        }
        match sendmsg(stream, &[IoSlice::new(&bytes[sent..])], &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => sent += count,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn wait(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> std::io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)) {
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Another descriptor of the same open file.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: the kernel checks the number; -1, which alone is invalid in a borrowed descriptor, is excluded.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd.max(0)) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3).context(|| format!("duplicate descriptor {fd}"))
}
