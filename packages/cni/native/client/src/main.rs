//! The executable that a container runtime calls; under the name `loopback` it is that plugin. It knows nothing of networks: it hands the verb, the environment and the configuration to the
//! agent over a unix socket and relays the answer. Without an agent it says so at once, and it never waits longer than the deadline.
//!
//!     → heddle-cni/1 ENVIRONMENT-OCTETS INPUT-OCTETS\n   KEY=VALUE\0…   input
//!     ← heddle-cni/1 EXIT-CODE OUTPUT-OCTETS\n           output

//!
//! It is started for each call, so that its start counts: the C library calls `main`, since the runtime of Rust would look at the process's memory map and
//! lay out a stack for signals first, and the deadline is a signal, since a thread would cost more than all the rest.

#![cfg_attr(not(test), no_main)]

mod json;
mod loopback;
mod process;

use std::ffi::{CStr, c_char, c_int};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::exit;

const VERSIONS: &str = r#"["0.3.1","0.4.0","1.0.0","1.1.0"]"#;
const NEWEST: &str = "1.1.0";
const VERBS: [&str; 6] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];
const SOCKET: &str = "/run/heddle/cni.sock";
/// Seconds; a runtime's own deadline is two minutes.
const TIMEOUT: u64 = 90;
/// Most octets of a configuration, and of an answer.
const MOST: u64 = 16 << 20;
/// Longest first line of an answer, octets.
const LONGEST_HEADER: u64 = 64;

/// Codes of the specification.
const UNKNOWN_CONTAINER: u32 = 3;
const ENVIRONMENT: u32 = 4;
const IO: u32 = 5;
const DECODING: u32 = 6;
const TRY_AGAIN: u32 = 11;
const NOT_READY: u32 = 50;

/// Writes the one document of standard output and ends.
fn answer(code: i32, text: &[u8]) -> ! {
    process::begin_answer();
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text).and_then(|()| out.flush());
    exit(if written.is_err() { 1 } else { code })
}

fn fail(version: &str, code: u32, message: &str, details: &str) -> ! {
    answer(1, refusal(version, code, message, details).as_bytes())
}

fn refusal(version: &str, code: u32, message: &str, details: &str) -> String {
    let details = if details.is_empty() { String::new() } else { format!(",\"details\":{}", json::quoted(details)) };
    format!("{{\"cniVersion\":{},\"code\":{code},\"msg\":{}{details}}}", json::quoted(version), json::quoted(message))
}

#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    process::prepare();
    // SAFETY: the C library hands over `count` words, each of which ends with a zero.
    let path = if count > 0 { unsafe { CStr::from_ptr(*words) }.to_bytes() } else { b"" };
    call(path)
}

/// @param path by which this executable was called
fn call(path: &[u8]) -> ! {
    let verb = std::env::var("CNI_COMMAND").unwrap_or_default();
    let mut input = Vec::new();
    let read = std::io::stdin().lock().take(MOST + 1).read_to_end(&mut input);
    let fields = json::fields(&input);
    let stated = fields.as_ref().and_then(|found| found.cni_version.clone());
    let version = stated.clone().filter(|text| is_version(text)).unwrap_or_else(|| NEWEST.into());
    if let Err(error) = read {
        fail(&version, IO, "standard input cannot be read", &error.to_string());
    }
    if input.len() as u64 > MOST {
        fail(&version, DECODING, &format!("standard input is longer than {MOST} octets"), "");
    }
    if !VERBS.contains(&verb.as_str()) {
        let found =
            if verb.is_empty() { "CNI_COMMAND is missing".into() } else { format!("CNI_COMMAND {} is unknown", json::quoted(&verb)) };
        fail(&version, ENVIRONMENT, &found, &format!("allowed: {}", VERBS.join(", ")));
    }
    if verb == "VERSION" {
        tell_version(&input, fields.is_some(), stated);
    }
    let unavailable = if verb == "STATUS" { NOT_READY } else { TRY_AGAIN };
    // It may have said where the agent is.
    let Some(fields) = fields else { fail(&version, DECODING, "standard input is no JSON object", "") };
    if loopback::is_called(path) {
        loopback::run(&verb, &version, fields.prev_result.as_deref());
    }
    let socket = fields.socket.unwrap_or_else(|| SOCKET.into());
    let timeout = fields.timeout.filter(|seconds| (1..=3600).contains(seconds)).unwrap_or(TIMEOUT);
    let late = format!("the agent did not answer within {timeout} s");
    process::answer_after(timeout as u32, refusal(&version, unavailable, &late, ""));
    match ask(&socket, &input) {
        Ok((code, output)) => answer(code, &output),
        Err((message, error)) => fail(&version, unavailable, &format!("{message} {socket}"), &error.to_string()),
    }
}

fn tell_version(input: &[u8], is_object: bool, stated: Option<String>) -> ! {
    let is_empty = input.iter().all(u8::is_ascii_whitespace);
    if !is_empty && !is_object {
        fail(NEWEST, DECODING, "standard input is no JSON object", "");
    }
    let version = stated.unwrap_or_else(|| NEWEST.into());
    if !is_version(&version) {
        fail(NEWEST, DECODING, &format!("cniVersion {} is no version", json::quoted(&version)), "");
    }
    answer(0, format!("{{\"cniVersion\":\"{version}\",\"supportedVersions\":{VERSIONS}}}").as_bytes())
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()))
}

type Failure = (&'static str, std::io::Error);

fn ask(socket: &str, input: &[u8]) -> Result<(i32, Vec<u8>), Failure> {
    let mut stream = UnixStream::connect(socket).map_err(|error| ("no agent serves", error))?;
    let gone = |error| ("the agent went away that serves", error);
    stream.write_all(&request(input)).map_err(gone)?;
    let mut answer = BufReader::new(stream);
    let mut header = Vec::new();
    (&mut answer).take(LONGEST_HEADER).read_until(b'\n', &mut header).map_err(gone)?;
    if header.last() != Some(&b'\n') && (header.len() as u64) < LONGEST_HEADER {
        return Err(gone(ErrorKind::UnexpectedEof.into()));
    }
    let odd = || ("what is no agent of this version serves", std::io::Error::other("its answer has another form"));
    let (code, length) = parse_header(&header).filter(|(_, length)| *length <= MOST).ok_or_else(odd)?;
    let mut output = vec![0; length as usize];
    answer.read_exact(&mut output).map_err(gone)?;
    Ok((code, output))
}

/// Only variables of the protocol are anyone's business.
fn request(input: &[u8]) -> Vec<u8> {
    let mut environment = Vec::new();
    for (key, value) in std::env::vars_os().filter(|(key, _)| key.as_bytes().starts_with(b"CNI_")) {
        for part in [key.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            environment.extend_from_slice(part);
        }
    }
    let mut out = format!("heddle-cni/1 {} {}\n", environment.len(), input.len()).into_bytes();
    out.extend_from_slice(&environment);
    out.extend_from_slice(input);
    out
}

fn parse_header(header: &[u8]) -> Option<(i32, u64)> {
    let text = std::str::from_utf8(header).ok()?.strip_suffix('\n')?;
    let mut words = text.strip_prefix("heddle-cni/1 ")?.split(' ');
    let code = words.next()?.parse().ok()?;
    let length = words.next()?.parse().ok()?;
    words.next().is_none().then_some((code, length))
}
