//! The file system that keeps maps and links when the process ends.

use std::{fs, io, path::Path};

use heddle_linux_core::{Result, error::Context};
use rustix::{
    fs::{CWD, Mode, mkdirat, statfs},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
        move_mount, unmount,
    },
};

/// `BPF_FS_MAGIC`
const MAGIC: u64 = 0xcafe_4a11;

/// Whether `folder` lies on a BPF file system.
pub fn is_mounted(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.f_type as u64 & 0xffff_ffff == MAGIC)
}

/// Makes `folder` and, unless it lies on a BPF file system already, mounts one there, in which there is a directory `mark` from the beginning. Returns whether
/// it was mounted.
pub fn ensure(folder: &Path, mark: &str) -> Result<bool> {
    fs::create_dir_all(folder).context(|| format!("make the directory {}", folder.display()))?;
    if is_mounted(folder) {
        return Ok(false);
    }
    mount_marked(folder, mark).context(|| format!("mount a BPF file system on {}", folder.display()))?;
    Ok(true)
}

/// A process may end at any step: what is mounted has its mark.
fn mount_marked(folder: &Path, mark: &str) -> io::Result<()> {
    let system = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [("source", "bpf"), ("mode", "0700")] {
        fsconfig_set_string(&system, key, value)?;
    }
    fsconfig_create(&system)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mounted = fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    mkdirat(&mounted, mark, Mode::RWXU)?;
    // A link is followed, as wherever else the folder is named.
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    Ok(move_mount(&mounted, "", CWD, folder, flags)?)
}

/// Takes a mounted BPF file system away, and with it everything that only its pins keep.
pub fn release(folder: &Path) -> Result<()> {
    unmount(folder, UnmountFlags::DETACH).context(|| format!("unmount {}", folder.display()))
}
