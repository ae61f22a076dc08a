//! The file system that keeps maps and links when the process ends.

use std::{fs, path::Path};

use heddle_linux_core::{Result, error::Context};
use rustix::{
    fs::statfs,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

/// `BPF_FS_MAGIC`
const MAGIC: u64 = 0xcafe_4a11;

/// Whether `folder` lies on a BPF file system.
pub fn is_mounted(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.f_type as u64 & 0xffff_ffff == MAGIC)
}

/// Makes `folder` and, unless it lies on a BPF file system already, mounts one there. Returns whether it was mounted.
pub fn ensure(folder: &Path) -> Result<bool> {
    let operation = || format!("mount a BPF file system on {}", folder.display());
    fs::create_dir_all(folder).context(operation)?;
    if is_mounted(folder) {
        return Ok(false);
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("bpf", folder, "bpf", flags, Some(c"mode=0700")).context(operation)?;
    Ok(true)
}

/// Takes a mounted BPF file system away, and with it everything that only its pins keep.
pub fn release(folder: &Path) -> Result<()> {
    unmount(folder, UnmountFlags::DETACH).context(|| format!("unmount {}", folder.display()))
}
