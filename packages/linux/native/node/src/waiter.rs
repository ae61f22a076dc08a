//! Waiting on a worker thread.

use heddle_linux_core::waiter::{self, Waiter};
use napi::{Result, bindgen_prelude::Uint32ArraySlice};
use napi_derive::napi;

use crate::error::{closed, to_js};

/// Blocks the thread that it is made on.
#[napi]
pub struct NativeWaiter {
    waiter: Option<Waiter>,
}

#[napi]
impl NativeWaiter {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Result<Self> {
        Ok(Self { waiter: Some(Waiter::new().map_err(to_js)?) })
    }

    fn get(&self) -> Result<&Waiter> {
        self.waiter.as_ref().ok_or_else(|| closed("waiter"))
    }

    #[napi(getter, catch_unwind)]
    pub fn wake_fd(&self) -> Result<i32> {
        Ok(self.get()?.wake_fd())
    }

    #[napi(catch_unwind)]
    pub fn add(&self, fd: i32, token: u32) -> Result<()> {
        self.get()?.add(fd, token).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn remove(&self, fd: i32) -> Result<()> {
        self.get()?.remove(fd).map_err(to_js)
    }

    /// Tokens of what is readable; negative milliseconds wait without end.
    #[napi(catch_unwind)]
    pub fn wait(&mut self, mut output: Uint32ArraySlice, milliseconds: i32) -> Result<u32> {
        // SAFETY: the typed array lives on the caller's stack for the call.
        let output = unsafe { output.as_mut() };
        let waiter = self.waiter.as_mut().ok_or_else(|| closed("waiter"))?;
        waiter.wait(output, milliseconds).map(|count| count as u32).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.waiter = None;
    }
}

/// Ends the wait of the waiter that the descriptor belongs to.
#[napi(catch_unwind)]
pub fn waiter_wake(fd: i32) -> Result<()> {
    waiter::wake(fd).map_err(to_js)
}
