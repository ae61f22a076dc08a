//! What JavaScript uses for each batch of packets, called by number. napi keeps books of each object and array that a method borrows, behind a lock of
//! the whole process: that takes several times as long as a function of numbers.

use std::{cell::RefCell, collections::BTreeMap, thread::LocalKey};

use napi::Result;

use crate::error::closed;

/// What can be kept by number.
pub trait Keepable: Sized + 'static {
    /// What it is called in errors.
    const NAME: &'static str;

    /// Those of this thread.
    fn table() -> &'static LocalKey<RefCell<Table<Self>>>;
}

/// Numbers are not used again.
pub struct Table<T> {
    next: u32,
    kept: BTreeMap<u32, T>,
}

impl<T> Table<T> {
    pub const fn new() -> Self {
        Self { next: 0, kept: BTreeMap::new() }
    }
}

enum Place<T> {
    Here(T),
    Numbered(u32),
    Gone,
}

/// What an object of JavaScript owns: in it at first, in the table of its thread once it was asked for its number.
pub struct Kept<T: Keepable>(Place<T>);

impl<T: Keepable> Kept<T> {
    pub fn new(value: T) -> Self {
        Self(Place::Here(value))
    }

    /// To be called on the thread of JavaScript.
    pub fn number(&mut self) -> Result<u32> {
        if let Place::Numbered(number) = self.0 {
            return Ok(number);
        }
        let value = self.take().ok_or_else(|| closed(T::NAME))?;
        let number = T::table().with_borrow_mut(|table| {
            table.next += 1;
            table.kept.insert(table.next, value);
            table.next
        });
        self.0 = Place::Numbered(number);
        Ok(number)
    }

    pub fn with<R>(&mut self, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        match &mut self.0 {
            Place::Here(value) => work(value),
            Place::Numbered(number) => with(*number, work),
            Place::Gone => Err(closed(T::NAME)),
        }
    }

    pub fn take(&mut self) -> Option<T> {
        match std::mem::replace(&mut self.0, Place::Gone) {
            Place::Here(value) => Some(value),
            // At the end of a thread, its table may be gone before its objects.
            Place::Numbered(number) => T::table().try_with(|table| table.borrow_mut().kept.remove(&number)).ok().flatten(),
            Place::Gone => None,
        }
    }
}

impl<T: Keepable> Drop for Kept<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Calls `work` with what this thread keeps by a number.
pub fn with<T: Keepable, R>(number: u32, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
    T::table().with_borrow_mut(|table| work(table.kept.get_mut(&number).ok_or_else(|| closed(T::NAME))?))
}

/// Makes a type keepable.
macro_rules! keepable {
    ($type:ty, $name:literal) => {
        impl $crate::kept::Keepable for $type {
            const NAME: &'static str = $name;

            fn table() -> &'static std::thread::LocalKey<std::cell::RefCell<$crate::kept::Table<Self>>> {
                thread_local! {
                    static KEPT: std::cell::RefCell<$crate::kept::Table<$type>> = const { std::cell::RefCell::new($crate::kept::Table::new()) };
                }
                &KEPT
            }
        }
    };
}
pub(crate) use keepable;
