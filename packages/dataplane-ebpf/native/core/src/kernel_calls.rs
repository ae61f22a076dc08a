//! Calls of functions that the kernel knows by their types (BTF), and not by a number of their own. The loader knows none: programs have calls of numbers that no
//! kernel has in their place, and here the instructions get what they are to do.

use std::sync::OnceLock;

use aya::Btf;
use aya_obj::btf::BtfKind;

/// An instruction: opcode, registers, offset, immediate value.
pub type Instruction = [u8; 8];

/// `kernel_packet` in `bpf/packet.h`: the kernel's own packet of what a program is given.
const KERNEL_PACKET: Instruction = [CALL, 0, 0, 0, 0x01, 0x00, 0x65, 0x48];
/// What it is called in the kernel.
const CAST: &str = "bpf_cast_to_kern_ctx";

const CALL: u8 = 0x85;
/// In the place of the source register: the number is that of a type (`BPF_PSEUDO_KFUNC_CALL`).
const BY_TYPE: u8 = 2 << 4;
/// `r0 = 0`
const NOTHING: Instruction = [0xb7, 0, 0, 0, 0, 0, 0, 0];

/// A call of a function of the kernel by the number of its type.
pub fn call_of(id: u32) -> Instruction {
    let [a, b, c, d] = id.to_le_bytes();
    [CALL, BY_TYPE, 0, 0, a, b, c, d]
}

/// The number of the type of the function that gives the kernel's own packet; none where the kernel has no such function, or does not tell its types.
pub fn cast() -> Option<u32> {
    static FOUND: OnceLock<Option<u32>> = OnceLock::new();
    *FOUND.get_or_init(|| Btf::from_sys_fs().ok()?.id_by_type_name_kind(CAST, BtfKind::Func).ok())
}

/// The object with calls of that function, or, without, with nothing in their place. Instructions lie at multiples of their size, and nothing else is like these.
pub fn resolved(object: &[u8], cast: Option<u32>) -> Vec<u8> {
    let mut octets = object.to_vec();
    let instead = cast.map_or(NOTHING, call_of);
    for instruction in octets.as_chunks_mut::<8>().0.iter_mut().filter(|instruction| **instruction == KERNEL_PACKET) {
        *instruction = instead;
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: Instruction = [0x95, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn calls_get_the_number_that_the_kernel_has_or_are_no_calls() {
        let object = [KERNEL_PACKET, EXIT, KERNEL_PACKET].concat();
        assert_eq!(resolved(&object, Some(0x0001_e240)), [[0x85, 0x20, 0, 0, 0x40, 0xe2, 0x01, 0], EXIT, call_of(123_456)].concat());
        assert_eq!(resolved(&object, None), [NOTHING, EXIT, NOTHING].concat());
    }

    #[test]
    fn what_is_no_such_call_stays_as_it_is() {
        let object = [&KERNEL_PACKET[4..], &KERNEL_PACKET[..4], &[7; 11]].concat();
        assert_eq!(resolved(&object, Some(1)), object);
    }
}
