//! Readiness for a thread that does nothing but wait for descriptors, and for word that something is in shared memory for it.

use std::{
    array,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll},
    fs::FileType,
    io::Errno,
};

use crate::error::{Context, Error, Result};

/// Token that [`Waiter::wait`] gives when [`wake`] was called.
pub const WOKEN: u32 = u32::MAX;

/// Descriptors that are looked at one by one each time, the one for word included. What is in an epoll costs whoever makes it readable a call each time,
/// which for a busy device is each packet; what is polled does so only while somebody sleeps. But each costs the sleeper a tenth of a microsecond.
const FEW: usize = 4;

pub struct Waiter {
    wake: OwnedFd,
    /// Descriptors and their tokens.
    watched: Vec<(RawFd, u32)>,
    /// Has all of them when there are more than `FEW`.
    epoll: Option<OwnedFd>,
    events: Vec<epoll::Event>,
}

impl Waiter {
    pub fn new() -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(|| "make a waiter".into())?;
        Ok(Self { watched: vec![(wake.as_raw_fd(), WOKEN)], wake, epoll: None, events: Vec::with_capacity(64) })
    }

    /// Descriptor for [`wake`].
    pub fn wake_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// Gives `token` for as long as `fd` is readable, in each [`Waiter::wait`]. The caller removes it before closing it.
    pub fn add(&mut self, fd: RawFd, token: u32) -> Result<()> {
        let operation = || format!("wait for descriptor {fd}");
        if self.watched.iter().any(|(watched, _)| *watched == fd) {
            return Err(Error::from_errno(libc::EEXIST, operation()));
        }
        let stat = rustix::fs::fstat(borrow(fd)).context(operation)?;
        // As an epoll says of them; polled, they would always be readable.
        if matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory) {
            return Err(Error::from_errno(libc::EPERM, operation()));
        }
        match &self.epoll {
            Some(epoll) => enter(epoll, fd, token).context(operation)?,
            None if self.watched.len() == FEW => {
                let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context(operation)?;
                for (fd, token) in self.watched.iter().copied().chain([(fd, token)]) {
                    enter(&epoll, fd, token).context(|| format!("wait for descriptor {fd}"))?;
                }
                self.epoll = Some(epoll);
            }
            None => {}
        }
        self.watched.push((fd, token));
        Ok(())
    }

    pub fn remove(&mut self, fd: RawFd) -> Result<()> {
        let operation = || format!("stop waiting for descriptor {fd}");
        let at = self.watched.iter().position(|(watched, _)| *watched == fd);
        self.watched.swap_remove(at.ok_or_else(|| Error::from_errno(libc::ENOENT, operation()))?);
        if let Some(epoll) = &self.epoll {
            epoll::delete(epoll, borrow(fd)).context(operation)?;
        }
        // Not at `FEW`: one that comes and goes would move all others each time.
        if self.watched.len() <= FEW / 2 {
            self.epoll = None;
        }
        Ok(())
    }

    /// Blocks until something is readable, [`wake`] was called, or the time is over; a negative time never is. Returns how many tokens there are.
    pub fn wait(&mut self, output: &mut [u32], milliseconds: i32) -> Result<usize> {
        let limit = Timespec { tv_sec: i64::from(milliseconds) / 1000, tv_nsec: i64::from(milliseconds) % 1000 * 1_000_000 };
        let limit = (milliseconds >= 0).then_some(&limit);
        let result = match &self.epoll {
            Some(epoll) => wait_in(epoll, &mut self.events, output, limit),
            None => poll_all(&self.watched, output, limit),
        };
        let count = match result {
            Err(Errno::INTR) => return Ok(0),
            result => result.context(|| "wait for descriptors".into())?,
        };
        if output[..count].contains(&WOKEN) {
            // Whoever wakes writes to memory first, so what was written by now is seen after this.
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        Ok(count)
    }
}

fn enter(epoll: &OwnedFd, fd: RawFd, token: u32) -> rustix::io::Result<()> {
    epoll::add(epoll, borrow(fd), epoll::EventData::new_u64(u64::from(token)), epoll::EventFlags::IN)
}

/// Tokens of what is readable in an epoll.
fn wait_in(epoll: &OwnedFd, events: &mut Vec<epoll::Event>, output: &mut [u32], limit: Option<&Timespec>) -> rustix::io::Result<usize> {
    events.clear();
    epoll::wait(epoll, spare_capacity(events), limit)?;
    for (word, event) in output.iter_mut().zip(&*events) {
        *word = event.data.u64() as u32;
    }
    Ok(events.len().min(output.len()))
}

/// Tokens of what is readable of at most `FEW` descriptors.
fn poll_all(watched: &[(RawFd, u32)], output: &mut [u32], limit: Option<&Timespec>) -> rustix::io::Result<usize> {
    let mut polled: [PollFd<'_>; FEW] = array::from_fn(|at| {
        let (fd, events) = watched.get(at).map_or((-1, PollFlags::empty()), |(fd, _)| (*fd, PollFlags::IN));
        PollFd::from_borrowed_fd(borrow(fd), events)
    });
    let polled = &mut polled[..watched.len()];
    poll(polled, limit)?;
    if polled.iter().any(|one| one.revents().contains(PollFlags::NVAL)) {
        // Closed before it was removed: it would end each wait at once.
        return Err(Errno::BADF);
    }
    let readable = watched.iter().zip(polled).filter(|(_, one)| !one.revents().is_empty());
    Ok(output.iter_mut().zip(readable).map(|(word, ((_, token), _))| *word = *token).count())
}

/// Ends the wait of the waiter that `fd` belongs to, or the next one.
pub fn wake(fd: RawFd) -> Result<()> {
    match rustix::io::write(borrow(fd), &1u64.to_ne_bytes()) {
        // A counter that is full wakes as well.
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(Error::from_io(errno.into(), format!("wake by descriptor {fd}"))),
    }
}

/// A number is all that JavaScript has; the kernel answers EBADF when it is none of an open descriptor.
fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the kernel checks the number on each call, nothing is assumed of it; -1 alone is excluded.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn waits_for_descriptors_and_for_word() {
        let mut waiter = Waiter::new().unwrap();
        let ready = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        let mut output = [0; 4];
        assert_eq!(waiter.wait(&mut output, 0).unwrap(), 0);
        waiter.add(ready.as_raw_fd(), 7).unwrap();
        for _ in 0..2 {
            assert_eq!(waiter.wait(&mut output, -1).unwrap(), 1, "as long as it is readable");
            assert_eq!(output[0], 7);
        }
        waiter.remove(ready.as_raw_fd()).unwrap();
        let fd = waiter.wake_fd();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            wake(fd)
        });
        assert_eq!(waiter.wait(&mut output, -1).unwrap(), 1);
        assert_eq!(output[0], WOKEN);
        other.join().unwrap().unwrap();
        assert_eq!(waiter.wait(&mut output, 0).unwrap(), 0);
        assert_eq!(waiter.remove(ready.as_raw_fd()).unwrap_err().code(), "ENOENT");
    }

    #[test]
    fn refuses_what_cannot_be_waited_for_and_tells_of_what_was_closed() {
        let mut waiter = Waiter::new().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(waiter.add(file.as_raw_fd(), 1).unwrap_err().code(), "EPERM");
        // So high that no other test of this process is given the number meanwhile.
        let closed = rustix::io::fcntl_dupfd_cloexec(&file, 900).unwrap();
        let fd = closed.as_raw_fd();
        drop(closed);
        waiter.watched.push((fd, 1));
        assert_eq!(waiter.wait(&mut [0; 4], 0).unwrap_err().code(), "EBADF");
    }

    #[test]
    fn waits_for_few_and_many_alike() {
        let mut waiter = Waiter::new().unwrap();
        let ready: Vec<OwnedFd> = (0..3 * FEW).map(|_| eventfd(1, EventfdFlags::CLOEXEC).unwrap()).collect();
        let expect = |waiter: &mut Waiter, tokens: &[usize]| {
            let mut output = vec![0; 4 * FEW];
            let count = waiter.wait(&mut output, 0).unwrap();
            let mut seen: Vec<usize> = output[..count].iter().map(|token| *token as usize).collect();
            seen.sort_unstable();
            assert_eq!(seen, tokens);
        };
        let mut watched = Vec::new();
        for (token, fd) in ready.iter().enumerate() {
            waiter.add(fd.as_raw_fd(), token as u32).unwrap();
            watched.push(token);
            expect(&mut waiter, &watched);
        }
        assert_eq!(waiter.add(ready[0].as_raw_fd(), 0).unwrap_err().code(), "EEXIST");
        assert_eq!(waiter.add(RawFd::MAX, 0).unwrap_err().code(), "EBADF");
        for (token, fd) in ready.iter().enumerate() {
            waiter.remove(fd.as_raw_fd()).unwrap();
            watched.remove(0);
            expect(&mut waiter, &watched);
            // One that comes and goes at any number of others.
            waiter.add(fd.as_raw_fd(), token as u32).unwrap();
            expect(&mut waiter, &[&[token], &watched[..]].concat());
            waiter.remove(fd.as_raw_fd()).unwrap();
        }
        wake(waiter.wake_fd()).unwrap();
        expect(&mut waiter, &[WOKEN as usize]);
        expect(&mut waiter, &[]);
    }
}
