//! Packet sockets.

use heddle_linux_core::packet::{PacketOptions, PacketSocket};
use napi::{Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::{
    error::{closed, to_js},
    job::{Job, job},
    memory::{Lent, borrow},
    namespace::path,
};

#[napi(object)]
pub struct NativePacketOptions {
    pub namespace: Option<String>,
    pub link: String,
    pub ether_type: u16,
    pub outgoing: Option<bool>,
    pub frames: Option<bool>,
    pub receive_buffer: Option<u32>,
}

/// A socket on a link.
#[napi]
pub struct NativePacket {
    socket: Option<PacketSocket>,
}

#[napi(ts_return_type = "Promise<NativePacket>")]
pub fn packet_open(options: NativePacketOptions) -> AsyncTask<Job<NativePacket>> {
    let NativePacketOptions { namespace, link, ether_type, outgoing, frames, receive_buffer } = options;
    let (outgoing, frames) = (outgoing.unwrap_or(false), frames.unwrap_or(false));
    let options = PacketOptions { link, ether_type, outgoing, frames, receive_buffer };
    job(move || PacketSocket::open(path(namespace).as_deref(), options).map(|socket| NativePacket { socket: Some(socket) }))
}

#[napi]
impl NativePacket {
    fn get(&self) -> Result<&PacketSocket> {
        self.socket.as_ref().ok_or_else(|| closed("packet socket"))
    }

    #[napi(getter, catch_unwind)]
    pub fn fd(&self) -> Result<i32> {
        Ok(self.get()?.fd())
    }

    #[napi(getter, catch_unwind)]
    pub fn index(&self) -> Result<u32> {
        Ok(self.get()?.index())
    }

    #[napi(catch_unwind)]
    pub fn receive_batch(
        &mut self,
        #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
        slot: u32,
        headroom: u32,
        #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
    ) -> Result<u32> {
        let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
        let socket = self.socket.as_mut().ok_or_else(|| closed("packet socket"))?;
        socket.receive(buffer, slot as usize, headroom as usize, descriptors).map(|count| count as u32).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn send_batch(
        &mut self,
        #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
        #[napi(ts_arg_type = "Uint32Array")] mut descriptors: Lent<u32>,
        count: u32,
    ) -> Result<u32> {
        let (buffer, descriptors) = borrow(&mut buffer, &mut descriptors)?;
        let socket = self.socket.as_mut().ok_or_else(|| closed("packet socket"))?;
        socket.send(buffer, descriptors, count as usize).map(|count| count as u32).map_err(to_js)
    }

    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.socket = None;
    }
}
