//! Readiness for a thread that does nothing but wait for descriptors, and for word that something is in shared memory for it.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, Timespec, epoll, eventfd},
    io::Errno,
};

use crate::error::{Context, Error, Result};

/// Token that [`Waiter::wait`] gives when [`wake`] was called.
pub const WOKEN: u32 = u32::MAX;

pub struct Waiter {
    epoll: OwnedFd,
    wake: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Waiter {
    pub fn new() -> Result<Self> {
        let operation = || "make a waiter".to_owned();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context(operation)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(operation)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(u64::from(WOKEN)), epoll::EventFlags::IN).context(operation)?;
        Ok(Self { epoll, wake, events: Vec::with_capacity(64) })
    }

    /// Descriptor for [`wake`].
    pub fn wake_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// Gives `token` for as long as `fd` is readable, in each [`Waiter::wait`]. The caller removes it before closing it.
    pub fn add(&self, fd: RawFd, token: u32) -> Result<()> {
        epoll::add(&self.epoll, borrow(fd), epoll::EventData::new_u64(u64::from(token)), epoll::EventFlags::IN)
            .context(|| format!("wait for descriptor {fd}"))
    }

    pub fn remove(&self, fd: RawFd) -> Result<()> {
        epoll::delete(&self.epoll, borrow(fd)).context(|| format!("stop waiting for descriptor {fd}"))
    }

    /// Blocks until something is readable, [`wake`] was called, or the time is over; a negative time never is. Returns how many tokens there are.
    pub fn wait(&mut self, output: &mut [u32], milliseconds: i32) -> Result<usize> {
        let limit = Timespec { tv_sec: i64::from(milliseconds) / 1000, tv_nsec: i64::from(milliseconds) % 1000 * 1_000_000 };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), (milliseconds >= 0).then_some(&limit)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(0),
            Err(errno) => return Err(Error::from_io(errno.into(), "wait for descriptors")),
        }
        for (word, event) in output.iter_mut().zip(&self.events) {
            *word = event.data.u64() as u32;
            if *word == WOKEN {
                // Whoever wakes writes to memory first, so what was written by now is seen after this.
                let _ = rustix::io::read(&self.wake, &mut [0; 8]);
            }
        }
        Ok(self.events.len().min(output.len()))
    }
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
}
