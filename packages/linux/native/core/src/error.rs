//! The one error of this crate: which operation, on what, refused with which error number.

use std::{fmt, io};

use crate::errno::errno_name;

/// What the kernel refused, or what was asked wrongly (then with `EINVAL`, as the kernel would).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Positive error number; 0 when there is none.
    pub errno: i32,
    /// The operation and its object, e.g. `delete link 'eth0' in /run/netns/red`.
    pub operation: String,
    /// What is wrong with it, in words.
    pub detail: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(errno: i32, operation: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { errno, operation: operation.into(), detail: detail.into() }
    }

    pub fn invalid(operation: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(libc::EINVAL, operation, detail)
    }

    pub fn from_errno(errno: i32, operation: impl Into<String>) -> Self {
        Self::from_io(io::Error::from_raw_os_error(errno), operation)
    }

    pub fn from_io(error: io::Error, operation: impl Into<String>) -> Self {
        let errno = error.raw_os_error().unwrap_or(match error.kind() {
            io::ErrorKind::NotFound => libc::ENOENT,
            io::ErrorKind::PermissionDenied => libc::EPERM,
            io::ErrorKind::AlreadyExists => libc::EEXIST,
            io::ErrorKind::WouldBlock => libc::EAGAIN,
            io::ErrorKind::InvalidInput => libc::EINVAL,
            io::ErrorKind::Unsupported => libc::EOPNOTSUPP,
            _ => libc::EIO,
        });
        Self::new(errno, operation, error.to_string())
    }

    /// The error that the last failed system call of this thread left behind.
    pub fn last(operation: impl Into<String>) -> Self {
        Self::from_io(io::Error::last_os_error(), operation)
    }

    /// Symbolic name of the error number.
    pub fn code(&self) -> &'static str {
        errno_name(self.errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.operation, self.detail, self.code())
    }
}

impl std::error::Error for Error {}

/// Names the operation of a failed call.
pub trait Context<T> {
    fn context(self, operation: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, operation: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::from_io(error, operation()))
    }
}

impl<T> Context<T> for rustix::io::Result<T> {
    fn context(self, operation: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::from_io(errno.into(), operation()))
    }
}

impl<T> Context<T> for std::result::Result<T, rtnetlink::Error> {
    fn context(self, operation: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| match &error {
            rtnetlink::Error::NetlinkError(message) => {
                let errno = message.code.map_or(0, |code| code.get().abs());
                Error::from_errno(errno, operation())
            }
            _ => Error::new(libc::EIO, operation(), error.to_string()),
        })
    }
}
