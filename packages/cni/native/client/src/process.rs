//! This process as the kernel sees it: standard descriptors, signals, and the deadline.

use std::ffi::c_int;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_ANSWERED: AtomicBool = AtomicBool::new(false);
/// What the deadline answers.
static LATE: OnceLock<String> = OnceLock::new();

/// Nothing that is opened later takes the place of a standard descriptor that is missing, and a peer that goes away is an error, not the end.
pub fn prepare() {
    // SAFETY: the path ends with a zero; the descriptors are this function's own.
    unsafe {
        let mut opened = 0;
        while (0..=libc::STDERR_FILENO).contains(&opened) {
            opened = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        }
        libc::close(opened);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

/// From here on the deadline answers no more.
pub fn begin_answer() {
    IS_ANSWERED.store(true, Ordering::SeqCst);
}

/// Writes `text` to standard output and ends the process after `seconds`, whatever it waits for: to connect, to write or to read.
pub fn answer_after(seconds: u32, text: String) {
    let _ = LATE.set(text);
    // SAFETY: the handler has the form of one, and calls only what a handler may; what is handed over outlives the calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigemptyset(&raw mut action.sa_mask);
        action.sa_sigaction = late as extern "C" fn(c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGALRM, &raw const action, null_mut());
        // Whoever started this process may have blocked it.
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGALRM);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const signals, null_mut());
        libc::alarm(seconds);
    }
}

extern "C" fn late(_signal: c_int) {
    if IS_ANSWERED.swap(true, Ordering::SeqCst) {
        return;
    }
    let (text, length) = LATE.get().map_or((null(), 0), |text| (text.as_ptr(), text.len()));
    // SAFETY: the text is there until the end, and both calls may be made in a handler (signal-safety(7)).
    unsafe {
        libc::write(libc::STDOUT_FILENO, text.cast(), length);
        libc::_exit(1)
    }
}
