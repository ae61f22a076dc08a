//! Linux networking as plain Rust: network namespaces, rtnetlink, TUN devices, batched datagram sockets, readiness. Knows nothing of Node.js.

pub mod checksum;
pub mod control;
mod couple;
pub mod datagram;
pub mod errno;
pub mod error;
pub mod fd_passing;
pub mod netlink;
pub mod netns;
pub mod offload;
pub mod packet;
pub mod poller;
pub mod probe;
pub mod socket_address;
pub mod tcp;
pub mod train;
pub mod tun;
pub mod wagon;
pub mod waiter;

pub use error::{Error, Result};
