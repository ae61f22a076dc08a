//! A program on a link: by tcx (Linux 6.6), whose attachment is a descriptor that can be pinned and given another program in one step, or by a filter of
//! clsact, which does without either. A netkit device has a place of its own for programs (Linux 6.7), likewise by a descriptor.

use std::{
    ffi::OsString,
    fs, io,
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
    /// Where a tcx attachment is pinned, or is found; with a filter a directory there says that its qdisc was made for it. A file beside it, named by
    /// `beside`, is what takes the filter's place.
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
        if let Some(path) = pin.as_deref().filter(|path| path.is_file()) {
            if let Some(fd) = adopt(program, path) {
                return Ok(Self::Descriptor { _fd: fd, pin });
            }
            unpin(path)?;
        }
        let namespace = namespace.map(Path::to_owned);
        if pin.as_deref().is_some_and(|path| path.is_dir() || beside(path).exists()) {
            let has_made_qdisc = pin.as_deref().is_some_and(Path::is_dir);
            return Self::Filter { namespace, ifindex, has_made_qdisc, pin }.replace(program, kind, flags);
        }
        let link = create(program, namespace.as_deref(), ifindex, kind, flags)?;
        if let Some(path) = &pin {
            pin_at(&link, path)?;
        }
        Ok(Self::Descriptor { _fd: link, pin })
    }

    /// Has a filter's link run `program` by tcx, without a packet that neither or both judge: tcx comes before filters, and a program that lets nothing pass
    /// on hides them. Nothing is done, with `EBUSY`, where somebody else's filters are: they would see other packets than before, or go with the qdisc.
    pub fn move_to_tcx(&self, program: &Program) -> Result<Self> {
        let &Self::Filter { ref namespace, ifindex, .. } = self else {
            return Err(Error::invalid("move a filter to tcx", "it is none"));
        };
        netns::within(namespace.as_deref(), move || {
            let operation = || format!("move the filter of link {ifindex} to tcx");
            if clsact::is_shared(ifindex).context(operation)? {
                return Err(Error::new(libc::EBUSY, operation(), "somebody else's filters are there"));
            }
            Ok(())
        })?;
        self.replace(program, sys::TCX_INGRESS, 0)
    }

    /// The steps are in an order in which the link always has a program, and each of them leaves what says what is still to be taken away:
    ///
    /// ```text
    ///   pin          beside it    link
    ///   directory                 filter        the directory only where the qdisc was made for the filter
    ///   directory    file         both
    ///   directory    file         descriptor
    ///                file         descriptor
    ///   file                      descriptor
    /// ```
    fn replace(&self, program: &Program, kind: u32, flags: u32) -> Result<Self> {
        let Self::Filter { namespace, ifindex, pin, .. } = self else {
            return Err(Error::invalid("take a filter's place", "it is none"));
        };
        let next = pin.as_deref().map(beside);
        let link = match next.as_deref().and_then(|path| adopt(program, path)) {
            Some(link) => link,
            None => {
                let link = create(program, namespace.as_deref(), *ifindex, kind, flags)?;
                if let Some(path) = &next {
                    unpin(path)?;
                    pin_at(&link, path)?;
                }
                link
            }
        };
        if let Err(error) = self.remove_filter() {
            // The filter goes on, and is what can be taken away later.
            if let Some(path) = &next {
                unpin(path)?;
            }
            return Err(error);
        }
        if let (Some(path), Some(next)) = (pin, &next) {
            unmark(path)?;
            fs::rename(next, path).context(|| format!("rename {}", next.display()))?;
        }
        Ok(Self::Descriptor { _fd: link, pin: pin.clone() })
    }

    fn filter(program: &Program, Place { namespace, ifindex, pin, .. }: Place<'_>) -> Result<Self> {
        let name = program.name().to_owned();
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let unmarked = pin.clone().filter(|path| !path.is_dir());
        let has_own_qdisc = netns::within(namespace, move || {
            let operation = || format!("attach program '{name}' to link {ifindex} by clsact");
            // A process may end at any step: the mark is there before the qdisc.
            let marked = match &unmarked {
                Some(path) if !clsact::has_qdisc(ifindex).context(operation)? => Some(path),
                _ => None,
            };
            marked.map_or(Ok(()), |path| mark(path))?;
            let set = clsact::add_filter(ifindex, fd.as_fd());
            if let Some(path) = marked.filter(|_| !matches!(set, Ok(true))) {
                unmark(path)?;
            }
            set.context(operation)
        })?;
        if let Some(path) = pin.as_deref() {
            // What tcx has left there would see packets too.
            unpin(&beside(path))?;
            if !path.is_dir() {
                unpin(path)?;
            }
        }
        let has_made_qdisc = has_own_qdisc || pin.as_deref().is_some_and(Path::is_dir);
        Ok(Self::Filter { namespace: namespace.map(Path::to_owned), ifindex, has_made_qdisc, pin })
    }

    /// Takes away what would stay when this is dropped: a pin, a filter. What is gone already is no error, so that it can be tried again.
    pub fn detach(&self) -> Result<()> {
        match self {
            Self::Descriptor { pin, .. } => pin.as_deref().map_or(Ok(()), unpin),
            Self::Filter { pin, .. } => {
                if let Some(path) = pin {
                    unmark(path)?;
                    unpin(&beside(path))?;
                }
                self.remove_filter()
            }
        }
    }

    /// Of the link; what is gone already is no error.
    fn remove_filter(&self) -> Result<()> {
        let &Self::Filter { ref namespace, ifindex, has_made_qdisc, .. } = self else { return Ok(()) };
        netns::within(namespace.as_deref(), move || {
            let operation = || format!("take the filter of link {ifindex} away");
            // With the qdisc, filters would go that others have set since.
            let goes_whole = has_made_qdisc && !clsact::is_shared(ifindex).context(operation)?;
            let removed = if goes_whole { clsact::remove_qdisc(ifindex) } else { clsact::remove_filter(ifindex) };
            removed.context(operation)
        })
    }
}

/// Where an attachment is pinned until the filter whose place it takes is gone.
fn beside(pin: &Path) -> PathBuf {
    let mut name = OsString::from("next-");
    name.push(pin.file_name().unwrap_or_default());
    pin.with_file_name(name)
}

fn create(program: &Program, namespace: Option<&Path>, ifindex: u32, kind: u32, flags: u32) -> Result<OwnedFd> {
    let name = program.name().to_owned();
    let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
    netns::within(namespace, move || {
        sys::link_create(fd.as_fd(), ifindex, kind, flags).context(|| format!("attach program '{name}' to link {ifindex}"))
    })
}

fn pin_at(link: &OwnedFd, path: &Path) -> Result<()> {
    sys::pin(link.as_fd(), path).context(|| format!("pin {}", path.display()))
}

fn unpin(path: &Path) -> Result<()> {
    absent_is_well(fs::remove_file(path)).context(|| format!("unpin {}", path.display()))
}

/// Marks a qdisc that is made for a filter. What is pinned there goes on beside it.
fn mark(path: &Path) -> Result<()> {
    absent_is_well(fs::rename(path, beside(path))).context(|| format!("rename {}", path.display()))?;
    fs::create_dir(path).context(|| format!("make {}", path.display()))
}

/// Takes the mark of a qdisc away that was made for a filter.
fn unmark(path: &Path) -> Result<()> {
    absent_is_well(fs::remove_dir(path)).context(|| format!("remove {}", path.display()))
}

fn absent_is_well(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The pinned attachment with its new program; none when its link is gone, which the kernel answers with an error.
fn adopt(program: &Program, path: &Path) -> Option<OwnedFd> {
    let link = sys::get_pinned(path).ok()?;
    sys::link_update(link.as_fd(), program.fd()).ok()?;
    Some(link)
}
