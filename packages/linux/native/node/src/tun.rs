//! TUN and TAP devices.

use heddle_linux_core::{
    datagram::own,
    tun::{TunDevice, TunMode, TunOptions},
};
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    error::{invalid, to_js},
    job::{Job, job},
    kept::{Kept, keepable, with},
    memory::{Lent, borrow},
    namespace::path,
    netlink::{NativeLinkSetup, link_setup},
};

#[napi(object)]
pub struct NativeTunOptions {
    pub name: String,
    pub namespace: Option<String>,
    /// `create`, `attach` or `either`.
    pub mode: String,
    pub multi_queue: bool,
    pub ethernet: bool,
    pub offload: bool,
    pub persist: bool,
    pub setup: NativeLinkSetup,
}

/// One queue of a TUN or TAP device.
#[napi]
pub struct NativeTun {
    device: Kept<TunDevice>,
}

keepable!(TunDevice, "TUN device");

#[napi(ts_return_type = "Promise<NativeTun>")]
pub fn tun_open(options: NativeTunOptions) -> AsyncTask<Job<NativeTun>> {
    let NativeTunOptions { name, namespace, mode, multi_queue, ethernet, offload, persist, setup } = options;
    let mode = match mode.as_str() {
        "attach" => TunMode::Attach,
        "either" => TunMode::Either,
        _ => TunMode::Create,
    };
    let options = TunOptions { name, mode, multi_queue, ethernet, offload, persist };
    let setup = link_setup(Some(setup));
    job(move || TunDevice::open(path(namespace).as_deref(), options, setup).map(|device| NativeTun { device: Kept::new(device) }))
}

/// Takes ownership of the descriptor.
#[napi(catch_unwind)]
pub fn tun_from_fd(fd: i32, namespace: Option<String>, offload: bool) -> Result<NativeTun> {
    if fd < 0 {
        return Err(invalid("adopt a TUN descriptor", format!("{fd} is no descriptor")));
    }
    // SAFETY: the caller hands the descriptor over; the kernel checks what it is.
    let device = TunDevice::from_fd(unsafe { own(fd) }, path(namespace).as_deref(), offload).map_err(to_js)?;
    Ok(NativeTun { device: Kept::new(device) })
}

/// @param tun number of a `NativeTun`
#[napi(catch_unwind)]
pub fn tun_read(
    tun: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    headroom: u32,
    #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
) -> Result<u32> {
    let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
    with(tun, |device: &mut TunDevice| device.read(buffer, headroom as usize, descriptors).map(|count| count as u32).map_err(to_js))
}

/// @param tun number of a `NativeTun`
#[napi(catch_unwind)]
pub fn tun_write(
    tun: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
    count: u32,
) -> Result<u32> {
    let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
    with(tun, |device: &mut TunDevice| device.write(buffer, descriptors, count as usize).map(|count| count as u32).map_err(to_js))
}

/// Packets that could not be used. @param tun number of a `NativeTun`
#[napi(catch_unwind)]
pub fn tun_dropped(tun: u32) -> Result<f64> {
    with(tun, |device: &mut TunDevice| Ok(device.dropped() as f64))
}

#[napi]
impl NativeTun {
    /// For `tunRead`, `tunWrite`, `tunDropped`, on this thread.
    #[napi(catch_unwind)]
    pub fn number(&mut self) -> Result<u32> {
        self.device.number()
    }

    #[napi(getter, catch_unwind)]
    pub fn fd(&mut self) -> Result<i32> {
        self.device.with(|device| Ok(device.fd()))
    }

    #[napi(getter, catch_unwind)]
    pub fn name(&mut self) -> Result<String> {
        self.device.with(|device| Ok(device.name().to_owned()))
    }

    #[napi(getter, catch_unwind)]
    pub fn index(&mut self) -> Result<u32> {
        self.device.with(|device| Ok(device.index()))
    }

    #[napi(getter, catch_unwind)]
    pub fn ethernet(&mut self) -> Result<bool> {
        self.device.with(|device| Ok(device.ethernet()))
    }

    #[napi(catch_unwind)]
    pub fn set_persist(&mut self, persist: bool) -> Result<()> {
        self.device.with(|device| device.set_persist(persist).map_err(to_js))
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        drop(self.device.take());
    }

    /// Closes on another thread.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn release(&mut self) -> AsyncTask<Job<()>> {
        let device = self.device.take();
        job(move || {
            drop(device);
            Ok(())
        })
    }
}
