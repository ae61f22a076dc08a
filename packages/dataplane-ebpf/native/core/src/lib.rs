//! BPF for a dataplane: an object file becomes maps and programs, maps are reached by descriptor or by memory, programs are attached to links,
//! pinned, replaced and run on a test packet. Knows nothing of Node.js.

pub mod attached;
pub mod bpffs;
mod clsact;
pub mod device;
pub mod grace;
mod kernel_calls;
pub mod link;
pub mod lock;
pub mod map;
mod map_symbols;
mod netkit;
pub mod object;
pub mod probe;
pub mod program;
pub mod ring;
mod route_netlink;
mod sys;
pub mod vxlan;

pub use heddle_linux_core::{Error, Result};
