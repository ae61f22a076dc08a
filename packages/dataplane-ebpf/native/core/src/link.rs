//! A program on a link: by tcx (Linux 6.6), whose attachment is a descriptor that can be pinned and given another program in one step, or by a filter of
//! clsact, which does without either. A netkit device has a place of its own for programs (Linux 6.7), likewise by a descriptor.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use heddle_linux_core::{Error, Result, error::Context, netns};

use crate::{clsact, program::Program, sys};

/// Where a program is attached.
pub struct Place<'a> {
    /// Path of the link's network namespace.
    pub namespace: Option<&'a Path>,
    pub ifindex: u32,
    /// Where a tcx attachment is pinned, or is found; with a filter a directory there says that its qdisc was made for it.
    pub pin: Option<PathBuf>,
    pub means: Means,
}

/// How a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    Tcx,
    Filter,
    /// In the device's driver, before the kernel makes packets of frames (Linux 5.9).
    Xdp,
    /// To what the other end of a netkit device sends.
    Netkit,
}

/// A program attached to packets that come in on a link.
pub enum Attachment {
    /// Detached when this is dropped, unless it is pinned.
    Descriptor { _fd: OwnedFd, pin: Option<PathBuf> },
    /// Stays when this is dropped.
    Filter { namespace: Option<PathBuf>, ifindex: u32, has_made_qdisc: bool, pin: Option<PathBuf> },
}

impl Attachment {
    /// Attaches `program`. What is there of a dataplane before this one is given the program instead. Somebody else's program of XDP is left: the error is
    /// then `EBUSY` or `EEXIST`.
    pub fn ingress(program: &Program, place: Place<'_>) -> Result<Self> {
        match place.means {
            Means::Tcx => Self::by_descriptor(program, sys::TCX_INGRESS, 0, place),
            Means::Xdp => Self::by_descriptor(program, sys::XDP, sys::XDP_BY_DRIVER, place),
            Means::Netkit => Self::by_descriptor(program, sys::NETKIT_PEER, 0, place),
            Means::Filter => Self::filter(program, place),
        }
    }

    fn by_descriptor(program: &Program, kind: u32, flags: u32, Place { namespace, ifindex, pin, .. }: Place<'_>) -> Result<Self> {
        if pin.as_deref().is_some_and(Path::is_dir) {
            Self::Filter { namespace: namespace.map(Path::to_owned), ifindex, has_made_qdisc: true, pin: pin.clone() }.detach()?;
        }
        if let Some(path) = pin.as_deref().filter(|path| path.exists()) {
            if let Some(fd) = adopt(program, path) {
                return Ok(Self::Descriptor { _fd: fd, pin });
            }
            fs::remove_file(path).context(|| format!("unpin {}", path.display()))?;
        }
        let name = program.name().to_owned();
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let link = netns::within(namespace, move || {
            sys::link_create(fd.as_fd(), ifindex, kind, flags).context(|| format!("attach program '{name}' to link {ifindex}"))
        })?;
        if let Some(path) = &pin {
            sys::pin(link.as_fd(), path).context(|| format!("pin {}", path.display()))?;
        }
        Ok(Self::Descriptor { _fd: link, pin })
    }

    fn filter(program: &Program, Place { namespace, ifindex, pin, .. }: Place<'_>) -> Result<Self> {
        let name = program.name().to_owned();
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let is_new = netns::within(namespace, move || {
            let operation = || format!("attach program '{name}' to link {ifindex} by clsact");
            let is_new = clsact::add_qdisc(ifindex).context(operation)?;
            clsact::set_filter(ifindex, fd.as_fd()).context(operation)?;
            Ok(is_new)
        })?;
        let marker = pin.as_deref().filter(|path| !path.is_dir());
        if let Some(path) = marker {
            // What tcx has left there would see packets too.
            if path.exists() {
                fs::remove_file(path).context(|| format!("unpin {}", path.display()))?;
            }
            if is_new {
                fs::create_dir(path).context(|| format!("make {}", path.display()))?;
            }
        }
        let has_made_qdisc = is_new || pin.as_deref().is_some_and(Path::is_dir);
        Ok(Self::Filter { namespace: namespace.map(Path::to_owned), ifindex, has_made_qdisc, pin })
    }

    /// Takes away what would stay when this is dropped: a pin, a filter. What is gone already is no error, so that it can be tried again.
    pub fn detach(&self) -> Result<()> {
        match self {
            Self::Descriptor { pin: Some(path), .. } => match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::from_io(error, format!("unpin {}", path.display())))
                }
                _ => Ok(()),
            },
            Self::Descriptor { pin: None, .. } => Ok(()),
            &Self::Filter { ref namespace, ifindex, has_made_qdisc, ref pin } => {
                if let Some(path) = pin.as_deref().filter(|path| path.is_dir()) {
                    fs::remove_dir(path).context(|| format!("remove {}", path.display()))?;
                }
                netns::within(namespace.as_deref(), move || {
                    let removed = if has_made_qdisc { clsact::remove_qdisc(ifindex) } else { clsact::remove_filter(ifindex) };
                    removed.context(|| format!("take the filter of link {ifindex} away"))
                })
            }
        }
    }
}

/// The pinned attachment with its new program; none when its link is gone, which the kernel answers with an error.
fn adopt(program: &Program, path: &Path) -> Option<OwnedFd> {
    let link = sys::get_pinned(path).ok()?;
    sys::link_update(link.as_fd(), program.fd()).ok()?;
    Some(link)
}
