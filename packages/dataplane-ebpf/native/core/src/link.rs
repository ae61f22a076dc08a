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
#[derive(Clone)]
pub struct Place {
    /// Path of the link's network namespace.
    pub namespace: Option<PathBuf>,
    pub ifindex: u32,
    /// Where a tcx attachment is pinned, or is found; with a filter a directory there says that its qdisc was made for it. A file beside it, named by
    /// `beside`, is what takes its place.
    pub pin: Option<PathBuf>,
    pub means: Means,
    /// By tcx before programs of others that are there, any of which may let nothing through to those behind it; otherwise behind them.
    pub is_first: bool,
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
    Descriptor { fd: OwnedFd, place: Place },
    /// Stays when this is dropped. `program`: its number.
    Filter { place: Place, program: u32, has_made_qdisc: bool },
}

impl Attachment {
    /// Attaches `program`. What is there of a dataplane before this one is given the program instead. Somebody else's program of XDP is left: the error is
    /// then `EBUSY` or `EEXIST`.
    pub fn ingress(program: &Program, place: Place) -> Result<Self> {
        match place.means {
            Means::Filter => Self::filter(program, place),
            _ => Self::by_descriptor(program, place),
        }
    }

    fn by_descriptor(program: &Program, place: Place) -> Result<Self> {
        if let Some(path) = place.pin.as_deref().filter(|path| path.is_file()) {
            // A process ended amid the last step of `come_first`.
            if beside(path).is_file() {
                rename(&beside(path), path)?;
            }
            if let Some(fd) = place.take_over(program, path)? {
                return Ok(Self::Descriptor { fd, place });
            }
            unpin(path)?;
        }
        if place.pin.as_deref().is_some_and(|path| path.is_dir() || beside(path).exists()) {
            let has_made_qdisc = place.pin.as_deref().is_some_and(Path::is_dir);
            return replace(program, place, has_made_qdisc);
        }
        let fd = place.create(program)?;
        if let Some(path) = &place.pin {
            pin_at(&fd, path)?;
        }
        Ok(Self::Descriptor { fd, place })
    }

    /// Has a filter's link run `program` by tcx, without a packet that neither or both judge: tcx comes before filters, and a program that lets nothing pass
    /// on hides them. Nothing is done, with `EBUSY`, where somebody else's filters are: they would see other packets than before, or go with the qdisc.
    pub fn move_to_tcx(&self, program: &Program) -> Result<Self> {
        let Self::Filter { place, has_made_qdisc, .. } = self else {
            return Err(Error::invalid("move a filter to tcx", "it is none"));
        };
        let ifindex = place.ifindex;
        netns::within(place.namespace.as_deref(), move || {
            let operation = || format!("move the filter of link {ifindex} to tcx");
            if clsact::is_shared(ifindex).context(operation)? {
                return Err(Error::new(libc::EBUSY, operation(), "somebody else's filters are there"));
            }
            Ok(())
        })?;
        replace(program, Place { means: Means::Tcx, ..place.clone() }, *has_made_qdisc)
    }

    fn filter(program: &Program, place: Place) -> Result<Self> {
        let Place { ref namespace, ifindex, ref pin, .. } = place;
        let name = program.name().to_owned();
        let number = program.facts()?.id;
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let unmarked = pin.clone().filter(|path| !path.is_dir());
        let has_own_qdisc = netns::within(namespace.as_deref(), move || {
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
        Ok(Self::Filter { place, program: number, has_made_qdisc })
    }

    /// Whether the program is still there: somebody may have taken it away, alone or with the qdisc or the link.
    pub fn is_there(&self) -> Result<bool> {
        match self {
            Self::Descriptor { fd, place } => {
                let facts = sys::link_facts(fd.as_fd()).context(|| format!("ask for the program of link {}", place.ifindex))?;
                Ok(facts.ifindex != 0)
            }
            Self::Filter { place, program, .. } => {
                let (ifindex, program) = (place.ifindex, *program);
                netns::within(place.namespace.as_deref(), move || {
                    let found = clsact::filters(ifindex).context(|| format!("ask for the filters of link {ifindex}"))?;
                    Ok(found.iter().any(|filter| filter.is_ours && filter.id == program))
                })
            }
        }
    }

    /// Attaches `program` anew where somebody took it away. A qdisc that is there without the filter is believed to be somebody else's, who made it since.
    pub fn restore(&self, program: &Program) -> Result<Self> {
        match self {
            Self::Descriptor { place, .. } => Self::ingress(program, place.clone()),
            Self::Filter { place, .. } => {
                let ifindex = place.ifindex;
                let is_others = netns::within(place.namespace.as_deref(), move || {
                    let operation = || format!("ask for the qdisc of link {ifindex}");
                    let has_filter = clsact::filters(ifindex).context(operation)?.iter().any(|filter| filter.is_ours);
                    Ok(!has_filter && clsact::has_qdisc(ifindex).context(operation)?)
                })?;
                if let Some(path) = place.pin.as_deref().filter(|path| is_others && path.is_dir()) {
                    unmark(path)?;
                }
                Self::ingress(program, place.clone())
            }
        }
    }

    /// Takes away what would stay when this is dropped: a pin, a filter. What is gone already is no error, so that it can be tried again.
    pub fn detach(&self) -> Result<()> {
        match self {
            Self::Descriptor { place, .. } => place.pin.as_deref().map_or(Ok(()), unpin),
            Self::Filter { place, has_made_qdisc, .. } => {
                if let Some(path) = &place.pin {
                    unmark(path)?;
                    unpin(&beside(path))?;
                }
                remove_filter(place, *has_made_qdisc)
            }
        }
    }
}

/// Ends a filter that whichever dataplane has left on a link, the qdisc that was made for it, and what is pinned at `pin`. What is gone already is no error.
pub fn end_filter(namespace: Option<&Path>, ifindex: u32, pin: Option<&Path>) -> Result<()> {
    let has_own_qdisc =
        netns::within(namespace, move || clsact::has_own_qdisc(ifindex).context(|| format!("ask for the filters of link {ifindex}")))?;
    let is_marked = pin.is_some_and(Path::is_dir);
    if let Some(path) = pin.filter(|_| !is_marked) {
        unpin(path)?;
    }
    let (namespace, pin) = (namespace.map(Path::to_owned), pin.map(Path::to_owned));
    let place = Place { namespace, ifindex, pin, means: Means::Filter, is_first: false };
    Attachment::Filter { place, program: 0, has_made_qdisc: is_marked || has_own_qdisc }.detach()
}

/// Has `program` take the place of a filter, by a descriptor. The steps are in an order in which the link always has a program, and each of them leaves what
/// says what is still to be taken away:
///
/// ```text
///   pin          beside it    link
///   directory                 filter        the directory only where the qdisc was made for the filter
///   directory    file         both
///   directory    file         descriptor
///                file         descriptor
///   file                      descriptor
/// ```
fn replace(program: &Program, place: Place, has_made_qdisc: bool) -> Result<Attachment> {
    let next = place.pin.as_deref().map(beside);
    let fd = match next.as_deref().and_then(|path| adopt(program, path)) {
        Some(fd) => fd,
        None => {
            let fd = place.create(program)?;
            if let Some(path) = &next {
                unpin(path)?;
                pin_at(&fd, path)?;
            }
            fd
        }
    };
    if let Err(error) = remove_filter(&place, has_made_qdisc) {
        // The filter goes on, and is what can be taken away later.
        if let Some(path) = &next {
            unpin(path)?;
        }
        return Err(error);
    }
    if let (Some(path), Some(next)) = (&place.pin, &next) {
        unmark(path)?;
        rename(next, path)?;
    }
    Ok(Attachment::Descriptor { fd, place })
}

/// Of the link; what is gone already is no error.
fn remove_filter(place: &Place, has_made_qdisc: bool) -> Result<()> {
    let ifindex = place.ifindex;
    netns::within(place.namespace.as_deref(), move || {
        let operation = || format!("take the filter of link {ifindex} away");
        // With the qdisc, filters would go that others have set since.
        let goes_whole = has_made_qdisc && !clsact::is_shared(ifindex).context(operation)?;
        let removed = if goes_whole { clsact::remove_qdisc(ifindex) } else { clsact::remove_filter(ifindex) };
        removed.context(operation)
    })
}

impl Place {
    fn create(&self, program: &Program) -> Result<OwnedFd> {
        let (name, ifindex) = (program.name().to_owned(), self.ifindex);
        let fd = program.fd().try_clone_to_owned().context(|| "keep a program".into())?;
        let (kind, flags) = self.attach_type();
        netns::within(self.namespace.as_deref(), move || {
            sys::link_create(fd.as_fd(), ifindex, kind, flags).context(|| format!("attach program '{name}' to link {ifindex}"))
        })
    }

    /// The attach type of what has a descriptor, and its flags.
    fn attach_type(&self) -> (u32, u32) {
        match self.means {
            Means::Xdp => (sys::XDP, sys::XDP_BY_DRIVER),
            Means::Netkit => (sys::NETKIT_PEER, 0),
            // Before nothing that is named: before everything.
            Means::Tcx | Means::Filter => (sys::TCX_INGRESS, if self.is_first { sys::BEFORE } else { 0 }),
        }
    }

    /// The pinned attachment with its new program, in the first place if it is to have that; none when its link is gone.
    fn take_over(&self, program: &Program, path: &Path) -> Result<Option<OwnedFd>> {
        if self.is_first && self.is_preceded(path)? { self.come_first(program, path).map(Some) } else { Ok(adopt(program, path)) }
    }

    /// Whether programs of others come before the pinned one.
    fn is_preceded(&self, path: &Path) -> Result<bool> {
        let Some(id) = sys::get_pinned(path).and_then(|link| sys::link_facts(link.as_fd())).ok().map(|facts| facts.id) else {
            return Ok(false);
        };
        let (ifindex, (kind, _)) = (self.ifindex, self.attach_type());
        netns::within(self.namespace.as_deref(), move || {
            let mut ids = [0_u32; sys::MOST_PROGRAMS];
            let count = sys::link_query(ifindex, kind, &mut ids).context(|| format!("ask for the programs of link {ifindex}"))?;
            Ok(ids[..count.min(ids.len())].iter().position(|&found| found == id).is_some_and(|place| place > 0))
        })
    }

    /// Attaches `program` before everything, and ends the pinned attachment, whose program is another one. Until then packets that the one passes on come to
    /// the other as well, which passes them on too: their tables are the same. A process that ends in between leaves two pins, the first one's `beside` the other's.
    fn come_first(&self, program: &Program, path: &Path) -> Result<OwnedFd> {
        let fd = self.create(program)?;
        pin_at(&fd, &beside(path))?;
        rename(&beside(path), path)?;
        Ok(fd)
    }
}

/// Where an attachment is pinned until what it takes the place of is gone.
fn beside(pin: &Path) -> PathBuf {
    let mut name = OsString::from("next-");
    name.push(pin.file_name().unwrap_or_default());
    pin.with_file_name(name)
}

fn pin_at(link: &OwnedFd, path: &Path) -> Result<()> {
    sys::pin(link.as_fd(), path).context(|| format!("pin {}", path.display()))
}

fn unpin(path: &Path) -> Result<()> {
    absent_is_well(fs::remove_file(path)).context(|| format!("unpin {}", path.display()))
}

/// What is pinned at `to` goes.
fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).context(|| format!("rename {}", from.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: u32 = 1;
    /// `w0 = -1; exit`
    const NEXT: [u8; 16] = [0xb4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];

    fn program() -> Result<Program> {
        Ok(Program::new("next".into(), sys::program_load(sys::SCHED_CLS, &NEXT).context(|| "load a program".into())?))
    }

    /// Works in a network namespace of its own, where that may be made and programs be attached there.
    fn tried(means: Means, work: impl FnOnce(Place) -> Result<()> + Send + 'static) {
        let place = Place { namespace: None, ifindex: LOOPBACK, pin: None, means, is_first: true };
        match netns::alone(move || work(place)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) if matches!(error.errno, libc::EPERM | libc::EINVAL) => eprintln!("skipped: {error}"),
            Ok(Err(error)) => panic!("{error}"),
            // What panicked.
            Err(error) if error.errno == libc::EIO => panic!("{error}"),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }

    #[test]
    fn restores_what_somebody_detached() {
        tried(Means::Tcx, |place| {
            let program = program()?;
            let attachment = Attachment::ingress(&program, place)?;
            assert!(attachment.is_there()?);
            let Attachment::Descriptor { fd, .. } = &attachment else { panic!("by tcx there is a descriptor") };
            sys::link_detach(fd.as_fd()).context(|| "detach".into())?;
            assert!(!attachment.is_there()?);
            assert!(attachment.restore(&program)?.is_there()?);
            Ok(())
        });
    }

    #[test]
    fn restores_a_filter_that_somebody_took_away_or_gave_another_program() {
        tried(Means::Filter, |place| {
            let program = program()?;
            let attachment = Attachment::ingress(&program, place.clone())?;
            assert!(attachment.is_there()?);
            clsact::remove_filter(LOOPBACK).context(|| "remove".into())?;
            assert!(!attachment.is_there()?);
            assert!(attachment.restore(&program)?.is_there()?);
            Attachment::ingress(&self::program()?, place)?;
            assert!(!attachment.is_there()?);
            assert!(attachment.restore(&program)?.is_there()?);
            Ok(())
        });
    }
}
