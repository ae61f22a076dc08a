//! The plugin `loopback`: the same executable under this name brings up `lo` in a container. Container runtimes call it by themselves, with a
//! configuration of their own, and no agent is asked.

use std::ffi::c_short;
use std::fs::File;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::json::quoted;
use crate::{ENVIRONMENT, IO, UNKNOWN_CONTAINER, answer, fail};

/// CHECK found that the device is down.
const CHECK_FAILED: u32 = 103;

/// Whether `path`, by which the process was started, has the plugin's name.
pub fn is_called(path: &[u8]) -> bool {
    path.rsplit(|octet| *octet == b'/').next() == Some(b"loopback")
}

/// Answers one call. `before` is the result of the plugins before it in a chain, as JSON.
pub fn run(verb: &str, version: &str, before: Option<&str>) -> ! {
    if verb == "GC" || verb == "STATUS" {
        answer(0, b"");
    }
    let netns = std::env::var("CNI_NETNS").unwrap_or_default();
    if netns.is_empty() && verb != "DEL" {
        fail(version, ENVIRONMENT, "CNI_NETNS is missing", "");
    }
    if let Err(error) = enter(&netns) {
        match verb {
            "DEL" => answer(0, b""), // the device is gone with its namespace
            _ => fail(version, UNKNOWN_CONTAINER, &format!("there is no network namespace at {}", quoted(&netns)), &error.to_string()),
        }
    }
    match (verb, flags()) {
        ("DEL", _) => {
            let _ = set_up(false);
            answer(0, b"")
        }
        (_, Err(error)) => fail(version, IO, "the loopback device cannot be had", &error.to_string()),
        ("CHECK", Ok(flags)) if flags & UP == 0 => fail(version, CHECK_FAILED, "the loopback device is down", ""),
        ("CHECK", Ok(_)) => answer(0, b""),
        _ => match set_up(true) {
            Ok(()) => answer(0, before.map_or_else(|| result(version, &netns), String::from).as_bytes()),
            Err(error) => fail(version, IO, "the loopback device cannot be brought up", &error.to_string()),
        },
    }
}

/// The addresses are the kernel's (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). Their family is told before 1.0.0 only.
fn result(version: &str, netns: &str) -> String {
    let family = |number: &str| if version.starts_with("0.") { format!("\"version\":\"{number}\",") } else { String::new() };
    format!(
        "{{\"cniVersion\":\"{version}\",\"interfaces\":[{{\"name\":\"lo\",\"mac\":\"00:00:00:00:00:00\",\"sandbox\":{}}}],\
         \"ips\":[{{{}\"address\":\"127.0.0.1/8\",\"interface\":0}},{{{}\"address\":\"::1/128\",\"interface\":0}}],\"dns\":{{}}}}",
        quoted(netns),
        family("4"),
        family("6")
    )
}

const UP: c_short = libc::IFF_UP as c_short;

fn enter(netns: &str) -> Result<(), Error> {
    let file = File::open(netns)?;
    // SAFETY: the descriptor is open, and this process has one thread so far.
    done(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) })
}

fn flags() -> Result<c_short, Error> {
    let (socket, mut request) = (socket()?, request());
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of one `ifreq` (netdevice(7)), which outlives the call.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) })?;
    // SAFETY: the kernel has written this member.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

fn set_up(up: bool) -> Result<(), Error> {
    let before = flags()?;
    let (socket, mut request) = (socket()?, request());
    request.ifr_ifru.ifru_flags = if up { before | UP } else { before & !UP };
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of one `ifreq` (netdevice(7)), which outlives the call.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request) })
}

fn socket() -> Result<OwnedFd, Error> {
    // SAFETY: no pointer is handed over.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    done(socket)?;
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn request() -> libc::ifreq {
    // SAFETY: an `ifreq` is numbers only, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request
}

fn done(status: i32) -> Result<(), Error> {
    if status < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
