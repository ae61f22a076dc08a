//! Node-API face of `heddle-linux-core`.

#![cfg_attr(test, allow(dead_code, reason = "functions are registered with Node.js outside of tests only"))]

mod address;
mod datagram;
mod kept;
mod memory;
mod namespace;
mod netlink;
mod packet;
mod poller;
mod system;
mod tcp;
mod train;
mod tun;
mod waiter;

use heddle_binding::{error, job};
