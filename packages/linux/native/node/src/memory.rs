//! Buffers that JavaScript lends for a call.

use std::{marker::PhantomData, ptr::NonNull, slice};

use napi::{
    Result, Status, ValueType,
    bindgen_prelude::{FromNapiValue, TypeName},
    check_status, sys,
};

use crate::error::invalid;

/// An element of a typed array.
pub trait Element {
    const ARRAY: sys::napi_typedarray_type;
}

impl Element for u8 {
    const ARRAY: sys::napi_typedarray_type = sys::TypedarrayType::uint8_array;
}

impl Element for u32 {
    const ARRAY: sys::napi_typedarray_type = sys::TypedarrayType::uint32_array;
}

/// A typed array, for the call that it is an argument of.
pub struct Lent<T> {
    data: NonNull<T>,
    length: usize,
    element: PhantomData<T>,
}

impl<T: Element> Lent<T> {
    /// The only slice of it.
    ///
    /// A `SharedArrayBuffer` may change while it is read: packets then hold what the other thread wrote, nothing worse.
    pub fn as_mut(&mut self) -> &mut [T] {
        // SAFETY: the memory belongs to a typed array that lives on the caller's stack for the call, during which no JavaScript of this thread runs;
        // arguments that share memory are refused by `borrow`.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), self.length) }
    }
}

impl<T> TypeName for Lent<T> {
    fn type_name() -> &'static str {
        "TypedArray"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl<T: Element> FromNapiValue for Lent<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let (mut kind, mut length, mut data) = (0, 0, std::ptr::null_mut());
        let (array_buffer, offset) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: environment and value are those of this call; what is not asked for may be null.
        let status =
            unsafe { sys::napi_get_typedarray_info(env, value, &raw mut kind, &raw mut length, &raw mut data, array_buffer, offset) };
        check_status!(status)?;
        if kind != T::ARRAY {
            return Err(napi::Error::new(Status::InvalidArg, "a typed array of another type is wanted"));
        }
        Ok(Self { data: NonNull::new(data.cast()).unwrap_or(NonNull::dangling()), length, element: PhantomData })
    }
}

/// Both buffers as slices; refused when they share memory, which two slices must not.
pub fn borrow<'a>(buffer: &'a mut Lent<u8>, descriptors: &'a mut Lent<u32>) -> Result<(&'a mut [u8], &'a mut [u32])> {
    let (a, b) = (buffer.data.as_ptr() as usize, descriptors.data.as_ptr() as usize);
    if a < b + descriptors.length * size_of::<u32>() && b < a + buffer.length {
        return Err(invalid("use buffers", "packets and descriptors share memory".into()));
    }
    Ok((buffer.as_mut(), descriptors.as_mut()))
}
