//! Work that may take longer than a turn of the event loop should: carried out on the thread pool, answered by a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use heddle_linux_core::{Error as CoreError, Result as CoreResult};
use napi::{
    Env, Result, Task,
    bindgen_prelude::{AsyncTask, ToNapiValue, TypeName},
};

use crate::error::to_js;

type Work<T> = Box<dyn FnOnce() -> CoreResult<T> + Send>;

pub struct Job<T>(Option<Work<T>>);

/// A promise of what `work` returns.
pub fn job<T: Send + ToNapiValue + TypeName + 'static>(work: impl FnOnce() -> CoreResult<T> + Send + 'static) -> AsyncTask<Job<T>> {
    AsyncTask::new(Job(Some(Box::new(work))))
}

impl<T: Send + ToNapiValue + TypeName + 'static> Task for Job<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> Result<T> {
        let panicked = || CoreError::new(5, "carry out a call", "it panicked");
        let work = self.0.take().ok_or_else(|| to_js(panicked()))?;
        catch_unwind(AssertUnwindSafe(work)).map_err(|_| to_js(panicked()))?.map_err(to_js)
    }

    fn resolve(&mut self, _env: Env, output: T) -> Result<T> {
        Ok(output)
    }
}
