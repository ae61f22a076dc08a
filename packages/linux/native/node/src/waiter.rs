//! Waiting on a worker thread.

use heddle_linux_core::waiter::{self, Waiter};
use napi::Result;
use napi_derive::napi;

use crate::{
    error::to_js,
    kept::{Kept, keepable, with},
    memory::Lent,
};

/// Blocks the thread that it is made on.
#[napi]
pub struct NativeWaiter {
    waiter: Kept<Waiter>,
}

keepable!(Waiter, "waiter");

#[napi]
impl NativeWaiter {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Result<Self> {
        Ok(Self { waiter: Kept::new(Waiter::new().map_err(to_js)?) })
    }

    /// For `waiterWait`, on this thread.
    #[napi(catch_unwind)]
    pub fn number(&mut self) -> Result<u32> {
        self.waiter.number()
    }

    #[napi(getter, catch_unwind)]
    pub fn wake_fd(&mut self) -> Result<i32> {
        self.waiter.with(|waiter| Ok(waiter.wake_fd()))
    }

    #[napi(catch_unwind)]
    pub fn add(&mut self, fd: i32, token: u32) -> Result<()> {
        self.waiter.with(|waiter| waiter.add(fd, token).map_err(to_js))
    }

    #[napi(catch_unwind)]
    pub fn remove(&mut self, fd: i32) -> Result<()> {
        self.waiter.with(|waiter| waiter.remove(fd).map_err(to_js))
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        drop(self.waiter.take());
    }
}

/// Tokens of what is readable; negative milliseconds wait without end. @param waiter number of a `NativeWaiter`
#[napi(catch_unwind)]
pub fn waiter_wait(waiter: u32, #[napi(ts_arg_type = "Uint32Array")] mut output: Lent<u32>, milliseconds: i32) -> Result<u32> {
    with(waiter, |waiter: &mut Waiter| waiter.wait(output.as_mut(), milliseconds).map(|count| count as u32).map_err(to_js))
}

/// Ends the wait of the waiter that the descriptor belongs to.
#[napi(catch_unwind)]
pub fn waiter_wake(fd: i32) -> Result<()> {
    waiter::wake(fd).map_err(to_js)
}
