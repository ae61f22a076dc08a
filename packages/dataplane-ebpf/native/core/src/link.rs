//! A program on a link: tcx (Linux 6.6), whose attachment is a descriptor that can be pinned and given another program in one step.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use heddle_linux_core::{Error, Result, error::Context, netns};

use crate::{program::Program, sys};

/// A program attached to a link; detached when this is dropped, unless it is pinned.
pub struct Attachment {
    _fd: OwnedFd,
    pin: Option<PathBuf>,
}

impl Attachment {
    /// Attaches `program` to packets that come in on link `ifindex` of a namespace. What is pinned at `pin` is given the program instead, if it is
    /// still on a link.
    pub fn ingress(program: &Program, namespace: Option<&Path>, ifindex: u32, pin: Option<PathBuf>) -> Result<Self> {
        if let Some(path) = pin.as_deref().filter(|path| path.exists()) {
            if let Some(fd) = adopt(program, path) {
                return Ok(Self { _fd: fd, pin });
            }
            fs::remove_file(path).context(|| format!("unpin {}", path.display()))?;
        }
        let name = program.name().to_owned();
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let link = netns::within(namespace, move || {
            sys::link_create(fd.as_fd(), ifindex, sys::TCX_INGRESS).context(|| format!("attach program '{name}' to link {ifindex}"))
        })?;
        if let Some(path) = &pin {
            sys::pin(link.as_fd(), path).context(|| format!("pin {}", path.display()))?;
        }
        Ok(Self { _fd: link, pin })
    }

    /// Detaches also what is pinned.
    pub fn detach(self) -> Result<()> {
        match &self.pin {
            Some(path) => match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::from_io(error, format!("unpin {}", path.display())))
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// The pinned attachment with its new program; none when its link is gone, which the kernel answers with an error.
fn adopt(program: &Program, path: &Path) -> Option<OwnedFd> {
    let link = sys::get_pinned(path).ok()?;
    sys::link_update(link.as_fd(), program.fd()).ok()?;
    Some(link)
}
