//! What a descriptor says beside the payload, to and from control messages.

use super::descriptor;
use crate::{
    control::{ControlWriter, control_number},
    socket_address::{Words, v6_from_words, words_from_octets},
};

/// Four words from `at` on.
pub fn quad(words: &[u32], at: usize) -> Words {
    [words[at], words[at + 1], words[at + 2], words[at + 3]]
}

/// Control messages of a datagram to send, as far as its marks differ from the socket's.
pub fn write_control(control: &mut ControlWriter<'_>, v6: bool, socket_tos: u32, words: &[u32], segment: u32) {
    if segment != 0 {
        control.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment as u16);
    }
    let (tos, ttl) = (words[descriptor::TOS], words[descriptor::TTL]);
    if tos != socket_tos {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) } else { (libc::IPPROTO_IP, libc::IP_TOS) };
        control.push(level, name, tos as libc::c_int);
    }
    if ttl != 0 {
        let (level, name) = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) } else { (libc::IPPROTO_IP, libc::IP_TTL) };
        control.push(level, name, ttl as libc::c_int);
    }
    let local = quad(words, descriptor::LOCAL);
    let link = words[descriptor::LINK];
    if local == [0; 4] && link == 0 {
        return;
    }
    if v6 {
        let address = libc::in6_addr { s6_addr: v6_from_words(local).octets() };
        control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: link as _ });
    } else {
        let info = libc::in_pktinfo {
            ipi_ifindex: link as _,
            ipi_spec_dst: libc::in_addr { s_addr: local[0].to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
    }
}

/// Marks of a received datagram from one of its control messages.
pub fn read_control(words: &mut [u32], level: libc::c_int, kind: libc::c_int, value: &[u8]) {
    match (level, kind) {
        (libc::SOL_UDP, libc::UDP_GRO) => words[descriptor::SEGMENT] = control_number(value),
        (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => words[descriptor::TOS] = control_number(value),
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => words[descriptor::TTL] = control_number(value),
        // struct in_pktinfo: interface index, local address, destination of the header
        (libc::IPPROTO_IP, libc::IP_PKTINFO) if value.len() >= 12 => {
            words[descriptor::LINK] = control_number(value);
            words[descriptor::LOCAL] = u32::from_be_bytes([value[8], value[9], value[10], value[11]]);
        }
        // struct in6_pktinfo: address, interface index
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if value.len() >= 20 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&value[..16]);
            words[descriptor::LOCAL..descriptor::LOCAL + 4].copy_from_slice(&words_from_octets(octets));
            words[descriptor::LINK] = control_number(&value[16..]);
        }
        _ => {}
    }
}
