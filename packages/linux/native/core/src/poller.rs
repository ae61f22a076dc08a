//! Readiness of many descriptors: a thread waits in epoll and wakes the owner once for everything that got ready meanwhile.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, epoll, eventfd},
    io::Errno,
};

use crate::error::{Context, Result};

/// Bits of interest and readiness.
pub const READABLE: u32 = 1;
pub const WRITABLE: u32 = 2;
/// Always reported: the other end is gone, or an error waits on the descriptor.
pub const HANG_UP: u32 = 4;

const STOP: u64 = u64::MAX;

#[derive(Default)]
struct Ready {
    events: Vec<(u32, u32)>,
    /// The owner was woken and has not drained everything since.
    awake: bool,
}

pub struct Poller {
    epoll: Arc<OwnedFd>,
    stop: OwnedFd,
    ready: Arc<Mutex<Ready>>,
    thread: Option<JoinHandle<()>>,
}

impl Poller {
    /// `wake` is called from the thread, at most once until [`Poller::take`] has returned 0.
    pub fn new(wake: impl Fn() + Send + 'static) -> Result<Self> {
        let operation = || "start a poller".to_owned();
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).context(operation)?);
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(operation)?;
        epoll::add(&epoll, &stop, epoll::EventData::new_u64(STOP), epoll::EventFlags::IN).context(operation)?;
        let ready = Arc::new(Mutex::new(Ready::default()));
        let (waiting, shared) = (Arc::clone(&epoll), Arc::clone(&ready));
        let thread = thread::Builder::new().name("heddle-poller".into()).spawn(move || run(&waiting, &shared, wake)).context(operation)?;
        Ok(Self { epoll, stop, ready, thread: Some(thread) })
    }

    /// Reports `fd` under `token` once; [`Poller::rearm`] asks for the next time. The caller removes it before closing it.
    pub fn add(&self, fd: RawFd, token: u32, interest: u32) -> Result<()> {
        epoll::add(&self.epoll, borrow(fd), data(token), flags(interest)).context(|| format!("watch descriptor {fd}"))
    }

    pub fn rearm(&self, fd: RawFd, token: u32, interest: u32) -> Result<()> {
        epoll::modify(&self.epoll, borrow(fd), data(token), flags(interest)).context(|| format!("watch descriptor {fd} again"))
    }

    /// Events that were already taken from the kernel under its token still come out of [`Poller::take`].
    pub fn remove(&self, fd: RawFd) -> Result<()> {
        epoll::delete(&self.epoll, borrow(fd)).context(|| format!("stop watching descriptor {fd}"))
    }

    /// Moves pairs of token and readiness to `output`; returns how many. Call until it returns 0: only then the next wake comes.
    pub fn take(&self, output: &mut [u32]) -> usize {
        let mut ready = lock(&self.ready);
        let count = ready.events.len().min(output.len() / 2);
        for (pair, (token, events)) in output.chunks_exact_mut(2).zip(ready.events.drain(..count)) {
            pair[0] = token;
            pair[1] = events;
        }
        if count == 0 {
            ready.awake = false;
        }
        count
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        // The counter can only be full after 2^64 writes; then the thread is awake anyway.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(epoll: &OwnedFd, ready: &Mutex<Ready>, wake: impl Fn()) {
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(epoll.as_fd(), spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let mut to_wake = false;
        {
            let mut ready = lock(ready);
            for event in &events {
                if event.data.u64() == STOP {
                    return;
                }
                let flags = event.flags;
                let mut bits = 0;
                bits |= if flags.contains(epoll::EventFlags::IN) { READABLE } else { 0 };
                bits |= if flags.contains(epoll::EventFlags::OUT) { WRITABLE } else { 0 };
                bits |= if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) { HANG_UP } else { 0 };
                ready.events.push((event.data.u64() as u32, bits));
            }
            if !ready.events.is_empty() && !ready.awake {
                ready.awake = true;
                to_wake = true;
            }
        }
        if to_wake {
            wake();
        }
    }
}

/// Nothing that holds the lock can panic half-way, so what a poisoned lock protects is still good.
fn lock(ready: &Mutex<Ready>) -> MutexGuard<'_, Ready> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

fn data(token: u32) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(token))
}

fn flags(interest: u32) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::ONESHOT;
    flags.set(epoll::EventFlags::IN, interest & READABLE != 0);
    flags.set(epoll::EventFlags::OUT, interest & WRITABLE != 0);
    flags
}

/// A number is all that JavaScript has; epoll answers EBADF when it is none of an open descriptor.
fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the kernel checks the number on each call, nothing is assumed of it; -1 alone is excluded.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsRawFd, sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn wakes_once_for_many_and_again_after_rearm() {
        let (sender, wakes) = mpsc::channel();
        let poller = Poller::new(move || assert!(sender.send(()).is_ok())).unwrap();
        let (first, second) = (eventfd(1, EventfdFlags::CLOEXEC).unwrap(), eventfd(1, EventfdFlags::CLOEXEC).unwrap());
        poller.add(first.as_raw_fd(), 7, READABLE).unwrap();
        wakes.recv_timeout(Duration::from_secs(5)).unwrap();
        poller.add(second.as_raw_fd(), 8, READABLE | WRITABLE).unwrap();
        while lock(&poller.ready).events.len() < 2 {
            thread::yield_now();
        }
        let mut output = [0; 8];
        assert_eq!(poller.take(&mut output), 2);
        assert_eq!(output[..4], [7, READABLE, 8, READABLE | WRITABLE]);
        assert_eq!(poller.take(&mut output), 0);
        assert!(wakes.try_recv().is_err());
        poller.rearm(first.as_raw_fd(), 7, READABLE).unwrap();
        wakes.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(poller.take(&mut output), 1);
        poller.remove(first.as_raw_fd()).unwrap();
        assert_eq!(poller.remove(first.as_raw_fd()).unwrap_err().code(), "ENOENT");
    }
}
