//! Errors on their way to JavaScript.

use heddle_linux_core::Error as CoreError;

/// Separates the parts of an error in its message; `src/native/native-calls.ts` of `@heddle/linux` takes them apart again.
const SEPARATOR: char = '\u{1}';

/// Code, number, operation and detail in one message: what a promise is rejected with has no other place for them.
pub fn to_js(error: CoreError) -> napi::Error {
    let CoreError { errno, operation, detail } = &error;
    napi::Error::from_reason(format!("{}{SEPARATOR}{errno}{SEPARATOR}{operation}{SEPARATOR}{detail}", error.code()))
}

pub fn closed(what: &str) -> napi::Error {
    to_js(CoreError::new(9, format!("use a {what}"), "it is closed"))
}

pub fn invalid(operation: &str, detail: String) -> napi::Error {
    to_js(CoreError::new(22, operation, detail))
}
