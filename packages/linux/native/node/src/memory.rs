//! Buffers that JavaScript lends for a call.

use napi::{
    Result,
    bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice},
};

use crate::error::invalid;

/// Both buffers as slices; refused when they share memory, which two slices must not.
///
/// A `SharedArrayBuffer` may change while it is read: packets then hold what the other thread wrote, nothing worse.
pub fn borrow<'a>(buffer: &'a mut Uint8ArraySlice<'_>, descriptors: &'a mut Uint32ArraySlice<'_>) -> Result<(&'a mut [u8], &'a mut [u32])> {
    // SAFETY: the memory belongs to typed arrays that live on the caller's stack for the call; overlap is excluded below.
    let (buffer, descriptors) = unsafe { (buffer.as_mut(), descriptors.as_mut()) };
    let (a, b) = (buffer.as_ptr_range(), descriptors.as_ptr_range());
    if (a.start as usize) < b.end as usize && (b.start as usize) < a.end as usize {
        return Err(invalid("use buffers", "packets and descriptors share memory".into()));
    }
    Ok((buffer, descriptors))
}
