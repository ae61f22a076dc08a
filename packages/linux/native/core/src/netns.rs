//! Network namespaces by name (bind mounts under /run/netns, as iproute2 keeps them) and work inside one.

use std::{
    ffi::{CString, c_int, c_void},
    fs::{self, File},
    io::{self, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process, ptr, thread,
};

use rustix::{
    mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount},
    net::{AddressFamily, SocketType},
    process::getpid,
    thread::{LinkNameSpaceType, UnshareFlags, gettid, move_into_link_name_space, unshare_unsafe},
};

use crate::error::{Context, Error, Result};

/// Where named namespaces are mounted.
pub const DIRECTORY: &str = "/run/netns";

/// Runs `work` inside the network namespace at `path`, in the caller's when there is none.
///
/// A namespace belongs to a thread: the calling one goes there and comes back, which takes a tenth of what a thread of its own takes. Such a thread does it
/// where the caller could not come back, and in place of the main thread, whose namespace is that of the process for everyone who looks at `/proc`.
pub fn within<T: Send + 'static>(path: Option<&Path>, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let Some(path) = path else { return work() };
    if let Some(_home) = way_back() {
        enter(path)?;
        return work();
    }
    let path = path.to_owned();
    on_a_thread(move || {
        enter(&path)?;
        work()
    })
}

/// Runs `work` on a fresh thread, and waits for it.
fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    thread::Builder::new()
        .name("heddle-netns".into())
        .spawn(work)
        .context(|| "start a thread".into())?
        .join()
        .map_err(|_| Error::new(libc::EIO, "work in a network namespace", "the thread panicked"))?
}

/// Brings the calling thread back into a network namespace when it is dropped.
struct WayBack(File);

/// The way back for the calling thread. There is none where it may not enter its own namespace, as in a user namespace below that one's owner.
fn way_back() -> Option<WayBack> {
    if gettid() == getpid() {
        return None;
    }
    let home = File::open("/proc/thread-self/ns/net").ok()?;
    move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
    Some(WayBack(home))
}

impl Drop for WayBack {
    fn drop(&mut self) {
        abort_unless_left(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)));
    }
}

/// Ends the process when the thread is still where it should not be: what it did next would be done to a container.
fn abort_unless_left(outcome: rustix::io::Result<()>) {
    if let Err(errno) = outcome {
        // `eprintln!` panics where nobody reads, and who gave this thread its work catches that.
        let _ = writeln!(io::stderr(), "a thread cannot leave a network namespace: {errno}");
        process::abort();
    }
}

/// Moves the calling thread into the namespace at `path`.
pub(crate) fn enter(path: &Path) -> Result<()> {
    let operation = || format!("enter network namespace {}", path.display());
    let file = File::open(path).context(operation)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).context(operation)
}

/// Runs `work` in a network namespace of its own, which ends with it.
///
/// Making one takes CAP_SYS_ADMIN. Who has it not may make a user namespace, where the host allows that: a process in it has all capabilities over the network
/// namespace that it is born with, and none over anything else.
pub fn alone<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    on_a_thread(move || {
        // SAFETY: only the network namespace of this fresh thread changes; descriptors and memory stay shared.
        if unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_ok() {
            return Ok(work());
        }
        in_a_user_namespace(work).context(|| "make a network namespace, by CAP_SYS_ADMIN or in a user namespace".into())
    })
}

/// Runs `work` in a process that is born into a user namespace and a network namespace of its own. It has the memory and the descriptors of this one, and the
/// calling thread waits for it in the kernel, as posix_spawn(3) does.
fn in_a_user_namespace<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    const STACK: usize = 1 << 20;
    const BORN: c_int = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_VFORK;

    struct Task<W, T> {
        work: Option<W>,
        result: Option<T>,
    }
    extern "C" fn run<T, W: FnOnce() -> T>(task: *mut c_void) -> c_int {
        // SAFETY: whoever made the task waits until this process has ended, and looks at it then.
        let task = unsafe { &mut *task.cast::<Task<W, T>>() };
        // What panics has no result; it must not unwind into the C library.
        task.result = task.work.take().and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
        0
    }
    fn clone<T, W: FnOnce() -> T>(task: &mut Task<W, T>) -> io::Result<libc::pid_t> {
        let mut stack = vec![0_u128; STACK / size_of::<u128>()];
        let top = stack.as_mut_ptr_range().end.cast::<c_void>();
        // SAFETY: the stack is aligned, grows down from its end, and outlives the process: the call returns when that has ended, as does `task`.
        let born = unsafe { libc::clone(run::<T, W>, top, BORN, ptr::from_mut(task).cast()) };
        if born < 0 { Err(io::Error::last_os_error()) } else { Ok(born) }
    }

    let mut task = Task { work: Some(work), result: None };
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are written before they are read. Handlers of this process would run in the other one, and tell it of signals that it did not get.
    let born = unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let born = clone(&mut task);
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        born
    }?;
    // SAFETY: it has ended, or does so now; no signal says so, and nobody else waits for it (`__WCLONE`).
    unsafe { libc::waitpid(born, ptr::null_mut(), libc::__WCLONE) };
    task.result.ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

/// Path of the namespace called `name`.
pub fn path_of(name: &str) -> Result<PathBuf> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) || name.len() > 255 {
        return Err(Error::invalid(format!("name a network namespace '{name}'"), "not a file name"));
    }
    Ok(Path::new(DIRECTORY).join(name))
}

/// Makes a namespace and keeps it under [`DIRECTORY`]; returns its path.
pub fn create(name: &str) -> Result<PathBuf> {
    let operation = || format!("create network namespace '{name}'");
    let path = path_of(name)?;
    prepare_directory().context(operation)?;
    File::options().write(true).create_new(true).open(&path).context(operation)?;
    let target = path.clone();
    let name_of_thread = name.to_owned();
    let made = on_a_thread(move || {
        let operation = || format!("create network namespace '{name_of_thread}'");
        // SAFETY: only the network namespace of this fresh thread changes; descriptors and memory stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context(operation)?;
        mount_bind(format!("/proc/self/task/{}/ns/net", gettid().as_raw_nonzero()), &target).context(operation)
    });
    if let Err(error) = made {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// Takes the name away; the namespace itself ends with its last process, socket or descriptor.
pub fn delete(name: &str) -> Result<()> {
    let operation = || format!("delete network namespace '{name}'");
    let path = path_of(name)?;
    match unmount(&path, UnmountFlags::DETACH) {
        // A file without a mount is what a creation that was killed leaves behind.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(errno) => return Err(Error::from_io(errno.into(), operation())),
    }
    fs::remove_file(&path).context(operation)
}

/// Names under [`DIRECTORY`], sorted.
pub fn list() -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::from_io(error, format!("list {DIRECTORY}"))),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

pub fn exists(name: &str) -> Result<bool> {
    Ok(path_of(name)?.exists())
}

/// Inode of the namespace at `path` (of the calling thread when there is none): two paths are one namespace when it is equal.
pub fn identity(path: Option<&Path>) -> Result<u64> {
    let path = path.unwrap_or(Path::new("/proc/thread-self/ns/net"));
    Ok(rustix::fs::stat(path).context(|| format!("look at network namespace {}", path.display()))?.st_ino)
}

/// As [`identity`] of each of `paths`; 0 where there is none.
pub fn identities(paths: &[PathBuf]) -> Vec<u64> {
    paths.iter().map(|path| identity(Some(path)).unwrap_or(0)).collect()
}

/// Whether the namespace at `path` has a link of this name.
pub fn has_link(path: &Path, link: &str) -> Result<bool> {
    let name = CString::new(link).map_err(|_| Error::invalid(format!("find link '{link}'"), "not a name"))?;
    within(Some(path), move || {
        // SAFETY: the name ends with a zero and is only read.
        Ok(unsafe { libc::if_nametoindex(name.as_ptr()) } != 0)
    })
}

/// Those of `indexes` that are no links of the namespace at `path` (or the caller's): a fiftieth of what it takes to list all links.
pub fn missing_links(path: Option<&Path>, indexes: Vec<u32>) -> Result<Vec<u32>> {
    let operation = || "look for links".into();
    within(path, move || {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).context(operation)?;
        let mut missing = Vec::new();
        for index in indexes {
            // SAFETY: an `ifreq` is numbers only, for which zero is a value.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            request.ifr_ifru.ifru_ifindex = index as libc::c_int;
            // SAFETY: SIOCGIFNAME reads the index and writes the name of one `ifreq` (netdevice(7)), which outlives the call.
            if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFNAME as _, &raw mut request) } == 0 {
                continue;
            }
            match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ENODEV) => missing.push(index),
                error => return Err(Error::from_io(error, operation())),
            }
        }
        Ok(missing)
    })
}

/// A file of `/proc/net` as the namespace at `path` (or the caller's) has it, such as `netstat` or `dev`.
pub fn statistics(path: Option<&Path>, file: &str) -> Result<String> {
    if file.is_empty() || !file.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Error::invalid(format!("read statistics '{file}'"), "not a file of /proc/net"));
    }
    let file = format!("/proc/thread-self/net/{file}");
    within(path, move || fs::read_to_string(&file).context(|| format!("read {file}")))
}

/// The directory as a shared mount point, so that other mount namespaces see what is made and deleted (as `ip netns` does).
fn prepare_directory() -> io::Result<()> {
    fs::create_dir_all(DIRECTORY)?;
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    if mount_change(DIRECTORY, shared).is_err() {
        rustix::mount::mount_bind_recursive(DIRECTORY, DIRECTORY)?;
        mount_change(DIRECTORY, shared)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        env, io,
        os::unix::process::ExitStatusExt,
        panic::catch_unwind,
        process::{Command, Stdio},
    };

    use super::{abort_unless_left, alone, identity, in_a_user_namespace, path_of};

    #[test]
    fn refuses_names_that_leave_the_directory() {
        for name in ["", ".", "..", "a/b", "a\0b"] {
            assert_eq!(path_of(name).unwrap_err().code(), "EINVAL");
        }
        assert_eq!(path_of("red").unwrap().to_str(), Some("/run/netns/red"));
    }

    #[test]
    fn works_in_a_namespace_of_its_own_and_comes_back() {
        let here = identity(None).unwrap();
        let lent = String::from("lent");
        let there = || identity(None).unwrap();
        let found =
            [alone(there), in_a_user_namespace(|| there() + lent.len() as u64 - 4).map_err(|error| crate::Error::from_io(error, "try"))];
        for found in found {
            match found {
                Ok(found) => assert_ne!(found, here),
                Err(error) => eprintln!("skipped: {error}"),
            }
            assert_eq!(identity(None).unwrap(), here);
        }
        match in_a_user_namespace(|| -> () { panic!("which is caught") }) {
            Ok(()) => unreachable!("what panics has no result"),
            Err(error) => assert!(matches!(error.raw_os_error(), Some(libc::EIO | libc::EPERM | libc::ENOSPC)), "{error}"),
        }
    }

    /// It said so first, and that panicked: the thread went on in the namespace of a container.
    #[test]
    fn ends_the_process_when_a_thread_cannot_leave_and_nobody_reads_why() {
        const STUCK: &str = "HEDDLE_TEST_STUCK_THREAD";
        if env::var_os(STUCK).is_some() {
            let _ = catch_unwind(|| abort_unless_left(Err(rustix::io::Errno::NOMEM)));
            return;
        }
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let name = "netns::tests::ends_the_process_when_a_thread_cannot_leave_and_nobody_reads_why";
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(STUCK, "1")
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT));
    }
}
