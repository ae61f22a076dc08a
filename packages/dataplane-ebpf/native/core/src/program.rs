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

    fn run(&self, frame: &[u8], segment: u32, repeat: u32) -> Result<Outcome> {
        let mut packet = vec![0; frame.len() + ROOM];
        let mut context = [0_u8; CONTEXT];
        if segment > 0 {
            context[GSO_SEGS..GSO_SEGS + 4].copy_from_slice(&2_u32.to_ne_bytes());
            context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&segment.to_ne_bytes());
        }
        loop {
            let mut attributes = sys::TestRun {
                program: self.fd.as_raw_fd() as u32,
                data_size_in: frame.len() as u32,
                data_in: frame.as_ptr() as u64,
                data_size_out: packet.len() as u32,
                data_out: packet.as_mut_ptr() as u64,
                repeat,
                context_size_in: if segment > 0 { CONTEXT as u32 } else { 0 },
                context_in: if segment > 0 { context.as_ptr() as u64 } else { 0 },
                ..Default::default()
            };
            match sys::test_run(&mut attributes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.context(|| format!("run program '{}' on a test packet", self.name))?,
            }
            packet.truncate(attributes.data_size_out as usize);
            return Ok(Outcome { verdict: attributes.result, duration: attributes.duration, packet });
        }
    }
}
