//! Node-API face of `heddle-linux-core`.

mod datagram;
mod error;
mod job;
mod memory;
mod namespace;
mod netlink;
mod packet;
mod poller;
mod system;
mod tun;
