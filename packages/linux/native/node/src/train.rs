//! Trains that JavaScript wants packet by packet.

use heddle_linux_core::train::Train;
use napi::Result;
use napi_derive::napi;

use crate::{
    error::invalid,
    memory::{Lent, borrow},
};

/// Writes the packets of a train from `room` on, each behind `headroom` octets and a copy of the `prefix` octets before the train. `words` are its
/// offset, length, headers, size and stride; overwritten by offset and length of each packet. Returns how many.
#[napi(catch_unwind)]
pub fn train_split(
    #[napi(ts_arg_type = "Uint8Array")] mut buffer: Lent<u8>,
    prefix: u32,
    room: u32,
    headroom: u32,
    #[napi(ts_arg_type = "Uint32Array")] mut words: Lent<u32>,
) -> Result<u32> {
    let (buffer, words) = borrow(&mut buffer, &mut words)?;
    let refuse = || invalid("split a train", "it does not lie in the buffer, or there is no room for its packets".into());
    let [offset, length, headers, size, stride] = words.get(..5).ok_or_else(refuse)? else { return Err(refuse()) };
    let (ip, prefix) = (*offset as usize + prefix as usize, prefix as usize);
    let length = (*length as usize).checked_sub(prefix).ok_or_else(refuse)?;
    let octets = buffer.get(ip..).ok_or_else(refuse)?;
    let train = Train::check(length, *headers as usize, *size as usize, *stride as usize, octets).ok_or_else(refuse)?;
    if train.packets() * 2 > words.len() {
        return Err(refuse());
    }
    let mut at = 0;
    let made = train.split(buffer, ip, prefix, room as usize, headroom as usize, |start, end| {
        words[at] = start as u32;
        words[at + 1] = (end - start) as u32;
        at += 2;
    });
    if made { Ok(train.packets() as u32) } else { Err(refuse()) }
}
