//! Node-API face of `heddle-ebpf-core`.

#![cfg_attr(test, allow(dead_code, reason = "functions are registered with Node.js outside of tests only"))]

mod host;
mod object;

use heddle_binding::{error, job};
