//! Readiness, told to the event loop.

use heddle_linux_core::poller::Poller;
use napi::{
    Env, Result, Status,
    bindgen_prelude::Function,
    check_status, sys,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, ThreadsafeFunctionHandle},
};
use napi_derive::napi;
use std::sync::Arc;

use crate::{
    error::{closed, to_js},
    memory::Lent,
};

/// One wake at a time can be on its way, so one place is enough.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// Watches descriptors; the callback is called once for everything that got ready, without keeping the process alive unless `reference` is called.
#[napi]
pub struct NativePoller {
    poller: Option<Poller>,
    handle: Option<Arc<ThreadsafeFunctionHandle>>,
}

#[napi]
impl NativePoller {
    #[napi(constructor, catch_unwind)]
    pub fn new(wake: Function<'_, (), ()>) -> Result<Self> {
        let wake: Wake = wake.build_threadsafe_function().callee_handled::<false>().weak::<true>().max_queue_size::<1>().build()?;
        let handle = Arc::clone(&wake.handle);
        let poller = Poller::new(move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
        Ok(Self { poller: Some(poller.map_err(to_js)?), handle: Some(handle) })
    }

    fn get(&self) -> Result<&Poller> {
        self.poller.as_ref().ok_or_else(|| closed("poller"))
    }

    #[napi(catch_unwind)]
    pub fn add(&self, fd: i32, token: u32, interest: u32) -> Result<()> {
        self.get()?.add(fd, token, interest).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn rearm(&self, fd: i32, token: u32, interest: u32) -> Result<()> {
        self.get()?.rearm(fd, token, interest).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn remove(&self, fd: i32) -> Result<()> {
        self.get()?.remove(fd).map_err(to_js)
    }

    /// Pairs of token and readiness; call until it returns 0.
    #[napi(catch_unwind)]
    pub fn take(&self, #[napi(ts_arg_type = "Uint32Array")] mut output: Lent<u32>) -> Result<u32> {
        Ok(self.get()?.take(output.as_mut()) as u32)
    }

    /// Keeps the process alive.
    #[napi(catch_unwind)]
    pub fn reference(&self, env: Env) -> Result<()> {
        let handle = self.handle.as_ref().ok_or_else(|| closed("poller"))?;
        // SAFETY: called on the thread of the environment that made the function, which the open poller holds.
        check_status!(unsafe { sys::napi_ref_threadsafe_function(env.raw(), handle.get_raw()) })
    }

    /// Lets the process end.
    #[napi(catch_unwind)]
    pub fn unreference(&self, env: Env) -> Result<()> {
        let handle = self.handle.as_ref().ok_or_else(|| closed("poller"))?;
        // SAFETY: as above.
        check_status!(unsafe { sys::napi_unref_threadsafe_function(env.raw(), handle.get_raw()) })
    }

    /// Ends the thread.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.poller = None;
        self.handle = None;
    }
}
