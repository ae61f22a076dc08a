//! What this kernel and this process let a dataplane do, found by trying: tiny programs are loaded and run, nothing is attached and nothing stays.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    thread,
};

use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::{
    clsact, netkit, sys,
    vxlan::{self, Merged},
};

/// A feature and, where it is missing, why.
pub struct Feature {
    pub name: &'static str,
    /// Empty when the feature is there.
    pub reason: String,
}

/// An instruction: opcode, registers, offset, immediate value.
type Instruction = [u8; 8];

const ADJUST_ROOM: i32 = 50;
const REDIRECT_NEIGH: i32 = 152;
const REDIRECT_PEER: i32 = 155;
/// `BPF_F_ADJ_ROOM_DECAP_L3_IPV6`
const DECAP_L3_IPV6: i32 = 1 << 8;
const ADJUST_AT_MAC: i32 = 1;
const OUTER_IPV4: usize = 20;

/// Tries every feature.
pub fn probe() -> Vec<Feature> {
    let feature = |name, result: io::Result<()>| Feature { name, reason: result.err().map(|error| error.to_string()).unwrap_or_default() };
    vec![
        feature("bpf", load(&[set(0, 0), EXIT]).map(drop)),
        feature("mmapable-array", sys::map_create(sys::ARRAY, 4, 8, 1, sys::MMAPABLE).map(drop)),
        feature("tcx", attach(Means::Tcx)),
        feature("clsact", attach(Means::Clsact)),
        feature("netkit", attach(Means::Netkit)),
        feature("redirect-neigh", helper(REDIRECT_NEIGH)),
        feature("redirect-peer", helper(REDIRECT_PEER)),
        feature("decap-l3", decap()),
        feature("xdp", attach(Means::Xdp)),
        feature("vxlan", alone(|_| vxlan::probe(Merged::Vxlan))),
        feature("vxlan-gpe", alone(|_| vxlan::probe(Merged::Joint))),
        feature("btf", Path::new("/sys/kernel/btf/vmlinux").metadata().map(drop)),
    ]
}

/// `exit`
const EXIT: Instruction = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// `register = value`
fn set(register: u8, value: i32) -> Instruction {
    let [a, b, c, d] = value.to_le_bytes();
    [0xb7, register, 0, 0, a, b, c, d]
}

/// `call helper`
fn call(helper: i32) -> Instruction {
    let [a, b, c, d] = helper.to_le_bytes();
    [0x85, 0, 0, 0, a, b, c, d]
}

fn load(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    sys::program_load(sys::SCHED_CLS, instructions.as_flattened())
}

fn helper(number: i32) -> io::Result<()> {
    load(&[set(1, 1), set(2, 0), set(3, 0), set(4, 0), call(number), EXIT]).map(drop)
}

/// How a program is attached.
enum Means {
    Tcx,
    Clsact,
    Xdp,
    /// On a pair of its own.
    Netkit,
}

/// What a program returns that lets everything pass: to the next one of tc, or from XDP to the kernel.
const fn passes(kind: u32) -> i32 {
    if kind == sys::XDP_PROGRAM { 2 } else { -1 }
}

/// Of every namespace.
const LOOPBACK: u32 = 1;

/// On the loopback link of a namespace that ends with the thread; of this one, where no other may be made.
fn attach(means: Means) -> io::Result<()> {
    let kind = if matches!(means, Means::Xdp) { sys::XDP_PROGRAM } else { sys::SCHED_CLS };
    let program = sys::program_load(kind, [set(0, passes(kind)), EXIT].as_flattened())?;
    alone(move |is_alone| match means {
        Means::Tcx => sys::link_create(program.as_fd(), LOOPBACK, sys::TCX_INGRESS, 0).map(drop),
        Means::Clsact => by_filter(program.as_fd(), is_alone),
        // Generic, as loopback has no driver, and so nothing for a link that others use.
        Means::Xdp if is_alone => sys::link_create(program.as_fd(), LOOPBACK, sys::XDP, 0).map(drop),
        Means::Xdp => Ok(()),
        Means::Netkit if is_alone => netkit::probe(program.as_fd()),
        // A pair of devices would be seen by whoever watches the links of this namespace.
        Means::Netkit => Err(io::Error::other("not tried: no network namespace may be made to try it in")),
    })
}

/// Works in a network namespace that ends with it; in this one, where no other may be made. `work` is told whether it is alone.
fn alone(work: impl FnOnce(bool) -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let attempt = move || {
        // SAFETY: only the network namespace of this fresh thread changes; descriptors and memory stay shared.
        let is_alone = unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_ok();
        work(is_alone)
    };
    thread::spawn(attempt).join().unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::EIO)))
}

fn by_filter(program: BorrowedFd<'_>, is_alone: bool) -> io::Result<()> {
    let has_made = clsact::add_qdisc(LOOPBACK)?;
    // What is there already tells as much, and somebody's filter may be in our place.
    if !is_alone && !has_made {
        return Ok(());
    }
    let result = clsact::set_filter(LOOPBACK, program, has_made);
    if has_made { result.and(clsact::remove_qdisc(LOOPBACK)) } else { result }
}

/// Takes an IPv4 header away from an IPv6 packet: the program returns what the helper said.
fn decap() -> io::Result<()> {
    let program = load(&[set(2, -(OUTER_IPV4 as i32)), set(3, ADJUST_AT_MAC), set(4, DECAP_L3_IPV6), call(ADJUST_ROOM), EXIT])?;
    let mut frame = vec![0_u8; 14 + OUTER_IPV4 + 60];
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[14 + OUTER_IPV4] = 0x60;
    match run(program.as_fd(), &frame)? {
        0 => Ok(()),
        refused => Err(io::Error::from_raw_os_error(-(refused as i32))),
    }
}

fn run(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    let mut out = vec![0_u8; frame.len()];
    let mut attributes = sys::TestRun {
        program: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_size_out: out.len() as u32,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        ..Default::default()
    };
    sys::test_run(&mut attributes)?;
    Ok(attributes.result)
}
