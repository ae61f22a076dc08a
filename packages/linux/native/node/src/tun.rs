//! TUN and TAP devices.

use heddle_linux_core::{
    datagram::own,
    tun::{TunDevice, TunMode, TunOptions},
};
use napi::{
    Result,
    bindgen_prelude::{AsyncTask, Uint8ArraySlice, Uint32ArraySlice},
};
use napi_derive::napi;

use crate::{
    error::{closed, invalid, to_js},
    job::{Job, job},
    memory::borrow,
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
    device: Option<TunDevice>,
}

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
    job(move || TunDevice::open(path(namespace).as_deref(), options, setup).map(|device| NativeTun { device: Some(device) }))
}

/// Takes ownership of the descriptor.
#[napi(catch_unwind)]
pub fn tun_from_fd(fd: i32, namespace: Option<String>, offload: bool) -> Result<NativeTun> {
    if fd < 0 {
        return Err(invalid("adopt a TUN descriptor", format!("{fd} is no descriptor")));
    }
    // SAFETY: the caller hands the descriptor over; the kernel checks what it is.
    let device = TunDevice::from_fd(unsafe { own(fd) }, path(namespace).as_deref(), offload).map_err(to_js)?;
    Ok(NativeTun { device: Some(device) })
}

#[napi]
impl NativeTun {
    fn get(&self) -> Result<&TunDevice> {
        self.device.as_ref().ok_or_else(|| closed("TUN device"))
    }

    #[napi(getter, catch_unwind)]
    pub fn fd(&self) -> Result<i32> {
        Ok(self.get()?.fd())
    }

    #[napi(getter, catch_unwind)]
    pub fn name(&self) -> Result<String> {
        Ok(self.get()?.name().to_owned())
    }

    #[napi(getter, catch_unwind)]
    pub fn index(&self) -> Result<u32> {
        Ok(self.get()?.index())
    }

    #[napi(getter, catch_unwind)]
    pub fn ethernet(&self) -> Result<bool> {
        Ok(self.get()?.ethernet())
    }

    #[napi(getter, catch_unwind)]
    pub fn dropped(&self) -> Result<f64> {
        Ok(self.get()?.dropped() as f64)
    }

    #[napi(catch_unwind)]
    pub fn set_persist(&self, persist: bool) -> Result<()> {
        self.get()?.set_persist(persist).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn read_batch(&mut self, mut buffer: Uint8ArraySlice, headroom: u32, mut descriptors: Uint32ArraySlice) -> Result<u32> {
        let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
        let device = self.device.as_mut().ok_or_else(|| closed("TUN device"))?;
        device.read(buffer, headroom as usize, descriptors).map(|count| count as u32).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn write_batch(&mut self, mut buffer: Uint8ArraySlice, mut descriptors: Uint32ArraySlice, count: u32) -> Result<u32> {
        let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
        let device = self.device.as_mut().ok_or_else(|| closed("TUN device"))?;
        device.write(buffer, descriptors, count as usize).map(|count| count as u32).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.device = None;
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
