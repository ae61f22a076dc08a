//! What this kernel and this process let a dataplane do, found by trying: tiny programs are loaded and run, and attached in a network namespace that ends with
//! the attempt. Where no such namespace can be had, the kernel is asked for what it refuses for another reason when it knows it: nothing of a namespace that
//! others use is changed.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use heddle_linux_core::netns;

use crate::{
    clsact,
    kernel_calls::{self, Instruction},
    netkit,
    object::keeps_memory,
    sys,
    vxlan::{self, Merged},
};

/// A feature and, where it is missing, why.
pub struct Feature {
    pub name: &'static str,
    /// Empty when the feature is there.
    pub reason: String,
}

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
        feature("kernel-packet", kernel_packet()),
        feature("xdp", attach(Means::Xdp)),
        feature("vxlan", alone(|| vxlan::probe(Merged::Vxlan), Err)),
        feature("vxlan-gpe", alone(|| vxlan::probe(Merged::Joint), Err)),
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

/// Asks for the kernel's own packet of what the program is given. Nobody knows where anything is in it where the types are not told to programs.
fn kernel_packet() -> io::Result<()> {
    if keeps_memory() {
        return Err(io::Error::other("the kernel lets nobody read its memory (lockdown)"));
    }
    let cast = kernel_calls::cast().ok_or_else(|| io::Error::other("the kernel tells of no such function"))?;
    load(&[kernel_calls::call_of(cast), set(0, 0), EXIT]).map(drop)
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
/// Of none.
const NO_LINK: u32 = 0;

/// On the loopback link of a namespace of its own.
fn attach(means: Means) -> io::Result<()> {
    let kind = if matches!(means, Means::Xdp) { sys::XDP_PROGRAM } else { sys::SCHED_CLS };
    let program = Arc::new(sys::program_load(kind, [set(0, passes(kind)), EXIT].as_flattened())?);
    let same = program.clone();
    let on = |program: &OwnedFd, link, kind| sys::link_create(program.as_fd(), link, kind, 0).map(drop);
    match means {
        Means::Tcx => alone(move || on(&program, LOOPBACK, sys::TCX_INGRESS), |_| knows(on(&same, NO_LINK, sys::TCX_INGRESS))),
        Means::Clsact => alone(move || clsact::add_filter(LOOPBACK, program.as_fd()).map(drop), |_| clsact::ask()),
        // Generic, as loopback has no driver.
        Means::Xdp => alone(move || on(&program, LOOPBACK, sys::XDP), Err),
        Means::Netkit => alone(move || netkit::probe(program.as_fd()), |_| knows(on(&same, NO_LINK, sys::NETKIT_PEER))),
    }
}

/// Works in a network namespace that ends with it. Where there is none in which it may, `ask` is given why.
fn alone(work: impl FnOnce() -> io::Result<()> + Send + 'static, ask: impl FnOnce(io::Error) -> io::Result<()>) -> io::Result<()> {
    let refused = match netns::alone(work) {
        Ok(Err(error)) if error.raw_os_error() == Some(libc::EPERM) => {
            format!("in a network namespace that CAP_SYS_ADMIN has not made: {error}")
        }
        Ok(result) => return result,
        Err(error) => error.to_string(),
    };
    ask(io::Error::other(format!("not tried: {refused}")))
}

/// Whether the kernel knows how a program was to be attached to a link that there is not: it looks for the link then.
fn knows(attached: io::Result<()>) -> io::Result<()> {
    match attached {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
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
