//! A program in the kernel: runs on a test packet, is attached to links.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use heddle_linux_core::{Result, error::Context, netns};

use crate::sys;

/// Octets that a program may add to a test packet.
const ROOM: usize = 512;
/// `struct __sk_buff`, of which only the offload size is set.
const CONTEXT: usize = 192;
const GSO_SEGS: usize = 164;
const GSO_SIZE: usize = 176;

/// Where a frame with elements of a map says of what kind they are, behind its Ethernet header, where they begin, and how many octets of them it has at most.
const KIND: usize = 14;
const ENTRIES: usize = 16;
const MOST_OCTETS: usize = 3072;

/// `struct bpf_prog_info`, as far as it is read here.
const INFO: usize = 224;
const ID: usize = 4;
const TAG: usize = 8;
const JITED: usize = 16;
const TRANSLATED: usize = 20;
const NAME: usize = 64;
const NAME_LENGTH: usize = 16;
const VERIFIED: usize = 216;

/// What the kernel says of a program.
pub struct Facts {
    pub id: u32,
    /// Hash of its instructions.
    pub tag: u64,
    /// Octets of machine code; 0 without a compiler in the kernel.
    pub jited: u32,
    /// Instructions, those that the verifier added included.
    pub instructions: u32,
    /// Instructions that the verifier has looked at (Linux 5.16).
    pub verified: u32,
}

pub struct Program {
    name: String,
    fd: OwnedFd,
}

/// What became of a test packet.
pub struct Outcome {
    /// The program's return value.
    pub verdict: u32,
    /// Mean duration of a run, nanoseconds.
    pub duration: u32,
    pub packet: Vec<u8>,
}

/// Name of a program of whoever.
pub fn name_in(program: BorrowedFd<'_>) -> io::Result<String> {
    let mut info = [0_u8; INFO];
    sys::info(program, &mut info)?;
    let name = &info[NAME..NAME + NAME_LENGTH];
    let end = name.iter().position(|&octet| octet == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

impl Program {
    pub fn new(name: String, fd: OwnedFd) -> Self {
        Self { name, fd }
    }

    /// The same program, for work that goes on by itself.
    pub fn share(&self) -> Result<Self> {
        let fd = self.fd.try_clone().context(|| format!("keep program '{}'", self.name))?;
        Ok(Self { name: self.name.clone(), fd })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn facts(&self) -> Result<Facts> {
        let mut info = [0_u8; INFO];
        sys::info(self.fd.as_fd(), &mut info).context(|| format!("ask for program '{}'", self.name))?;
        let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let tag = u64::from(word(TAG).swap_bytes()) << 32 | u64::from(word(TAG + 4).swap_bytes());
        Ok(Facts { id: word(ID), tag, jited: word(JITED), instructions: word(TRANSLATED) / 8, verified: word(VERIFIED) })
    }

    /// Runs the program on an Ethernet frame as if it came from the loopback link of `namespace`. On a thread of its own: a signal of the caller's ends a
    /// long run.
    ///
    /// `segment`: octets of TCP payload a segment, for a frame that offload would cut; 0 for any other.
    pub fn test_run(&self, namespace: Option<&Path>, frame: &[u8], segment: u32, repeat: u32) -> Result<Outcome> {
        let (program, frame) = (self.share()?, frame.to_vec());
        netns::within(namespace, move || program.run(&frame, segment, repeat))
    }

    /// Runs the program on elements of a map, `kind` of which stands before them: some at a time, as the kernel holds off softirqs of a CPU while a program runs on a
    /// test packet, and takes no larger one than a page.
    pub fn run_on(&self, kind: u8, entries: &[u8], width: usize) -> Result<()> {
        frames_with(kind, entries, width).try_for_each(|frame| {
            let mut attributes =
                sys::TestRun { data_size_in: frame.len() as u32, data_in: frame.as_ptr() as u64, repeat: 1, ..Default::default() };
            self.run_once(&mut attributes)
        })
    }

    fn run(&self, frame: &[u8], segment: u32, repeat: u32) -> Result<Outcome> {
        let mut packet = vec![0; frame.len() + ROOM];
        let mut context = [0_u8; CONTEXT];
        if segment > 0 {
            context[GSO_SEGS..GSO_SEGS + 4].copy_from_slice(&2_u32.to_ne_bytes());
            context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&segment.to_ne_bytes());
        }
        let mut attributes = sys::TestRun {
            data_size_in: frame.len() as u32,
            data_in: frame.as_ptr() as u64,
            data_size_out: packet.len() as u32,
            data_out: packet.as_mut_ptr() as u64,
            repeat,
            context_size_in: if segment > 0 { CONTEXT as u32 } else { 0 },
            context_in: if segment > 0 { context.as_ptr() as u64 } else { 0 },
            ..Default::default()
        };
        self.run_once(&mut attributes)?;
        packet.truncate(attributes.data_size_out as usize);
        Ok(Outcome { verdict: attributes.result, duration: attributes.duration, packet })
    }

    /// Runs the program, again when a signal came between. The kernel writes no size that it reads unless it has run.
    fn run_once(&self, attributes: &mut sys::TestRun) -> Result<()> {
        attributes.program = self.fd.as_raw_fd() as u32;
        loop {
            match sys::test_run(attributes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.context(|| format!("run program '{}' on a test packet", self.name)),
            }
        }
    }
}

fn frames_with(kind: u8, entries: &[u8], width: usize) -> impl Iterator<Item = Vec<u8>> {
    entries.chunks((MOST_OCTETS / width).max(1) * width).map(move |some| {
        let mut frame = vec![0; ENTRIES];
        frame[KIND] = kind;
        frame.extend_from_slice(some);
        frame
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_once_each_and_some_at_a_time() {
        let entries: Vec<u8> = (0..50 * 136).map(|octet| (octet / 136) as u8).collect();
        let frames: Vec<Vec<u8>> = frames_with(4, &entries, 136).collect();
        let came: Vec<u8> = frames.iter().flat_map(|frame| frame[ENTRIES..].iter().copied()).collect();
        assert_eq!(came, entries);
        assert_eq!(frames.iter().map(|frame| (frame[KIND], (frame.len() - ENTRIES) / 136)).collect::<Vec<_>>(), [(4, 22), (4, 22), (4, 6)]);
        assert_eq!(frames_with(4, &[], 136).count(), 0);
    }
}
