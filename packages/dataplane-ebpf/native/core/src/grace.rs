//! Waiting for programs that are running.

use std::os::fd::{AsFd, AsRawFd};

use heddle_linux_core::{Result, error::Context};

use crate::sys;

/// Returns when no program runs any more that ran when it was called: whatever nothing led programs to by then, none of them reads.
///
/// Programs of tc and XDP run within a read-side section of RCU, and the update of a map of maps returns behind a grace period, so that its writer knows
/// that no program uses the map which was replaced (`maybe_wait_bpf_programs` of Linux 4.20, commit 1ae80cf31938). `membarrier(2)` would do as much, but not
/// where CPUs run without a tick. Takes some milliseconds, and tens on a busy machine.
pub fn wait_for_programs() -> Result<()> {
    let operation = || "wait for running programs".to_owned();
    let inner = sys::map_create(sys::ARRAY, 4, 4, 1, 0).context(operation)?;
    let outer = sys::map_of_maps(inner.as_fd()).context(operation)?;
    sys::update(outer.as_fd(), &0_u32.to_ne_bytes(), &inner.as_raw_fd().to_ne_bytes()).context(operation)
}
