//! Segmentation offload of a TUN device: splits the kernel's large segments into packets, joins packets into large segments.
//!
//! A device with a virtio header hands over TCP segments of up to 64 KiB with a checksum still to be computed, and takes the like.

use std::{collections::VecDeque, io};

use tun_rs::{VIRTIO_NET_HDR_LEN, VirtioNetHdr, gso_split, handle_gro};

pub use tun_rs::VIRTIO_NET_HDR_LEN as HEADER;

/// Largest packet, header of the device excluded.
pub const MAX_PACKET: usize = 65_535;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const IPPROTO_TCP_OFFSET: u16 = 16;

/// What a packet that was just read needs before it can be sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Complete.
    Whole,
    /// Lacks its checksum.
    Unchecked,
    /// Is to be split into this many packets of at most this many octets.
    Large { packets: usize, size: usize },
}

/// Header of a packet that was just read, checked against the packet.
pub struct Plan {
    header: VirtioNetHdr,
    v6: bool,
    pub shape: Shape,
}

/// Checks a header against the packet behind it. `None`: the two disagree, drop the packet.
pub fn plan(header: &[u8], packet: &[u8]) -> Option<Plan> {
    let mut header = VirtioNetHdr::decode(header).ok()?;
    let v6 = match packet.first()? >> 4 {
        4 => false,
        6 => true,
        // Neither is for whoever reads to judge, unless it had to be completed here.
        _ if header.gso_type == GSO_NONE && header.flags & NEEDS_CHECKSUM == 0 => {
            return Some(Plan { header, v6: false, shape: Shape::Whole });
        }
        _ => return None,
    };
    let (start, offset) = (usize::from(header.csum_start), usize::from(header.csum_offset));
    let checksum_fits = start + offset + 2 <= packet.len();
    if header.gso_type == GSO_NONE {
        let shape = if header.flags & NEEDS_CHECKSUM == 0 { Shape::Whole } else { Shape::Unchecked };
        return (shape == Shape::Whole || checksum_fits).then_some(Plan { header, v6, shape });
    }
    if header.gso_size == 0 || !checksum_fits {
        return None;
    }
    // `hdr_len` may count the whole first packet on forwarded traffic, so the transport header is measured here.
    let transport = if header.csum_offset == IPPROTO_TCP_OFFSET { usize::from(*packet.get(start + 12)? >> 4) * 4 } else { 8 };
    let headers = start + transport;
    if headers >= packet.len() || transport < 8 {
        return None;
    }
    header.hdr_len = u16::try_from(headers).ok()?;
    let packets = (packet.len() - headers).div_ceil(usize::from(header.gso_size));
    Some(Plan { header, v6, shape: Shape::Large { packets, size: headers + usize::from(header.gso_size) } })
}

/// Computes the checksum that the kernel left out.
pub fn complete_checksum(plan: &Plan, packet: &mut [u8]) {
    let (start, offset) = (usize::from(plan.header.csum_start), usize::from(plan.header.csum_offset));
    let at = start + offset;
    let pseudo = u64::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    packet[at..at + 2].fill(0);
    let sum = !tun_rs::checksum(&packet[start..], pseudo);
    // UDP says "no checksum" with zero; ones' complement has a second zero for that (RFC 768).
    let sum = if sum == 0 && plan.header.csum_offset != IPPROTO_TCP_OFFSET { 0xffff } else { sum };
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Splits `packet` into `outputs`, `headroom` octets behind the start of each; returns how many there are.
pub fn split(plan: &Plan, packet: &mut [u8], outputs: &mut [&mut [u8]], sizes: &mut [usize], headroom: usize) -> io::Result<usize> {
    gso_split(packet, plan.header, outputs, sizes, headroom, plan.v6)
}

/// Packets that were split but found no slot yet.
#[derive(Default)]
pub struct Overflow {
    packets: VecDeque<Vec<u8>>,
}

impl Overflow {
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Splits `packet` into packets of its own memory.
    pub fn fill(&mut self, plan: &Plan, packet: &mut [u8], packets: usize, size: usize) -> io::Result<()> {
        let mut memory = vec![0; packets * size];
        let mut outputs: Vec<&mut [u8]> = memory.chunks_mut(size).collect();
        let mut sizes = vec![0; outputs.len()];
        let made = split(plan, packet, &mut outputs, &mut sizes, 0)?;
        for (output, size) in outputs.iter().zip(&sizes).take(made) {
            self.packets.push_back(output[..*size].to_vec());
        }
        Ok(())
    }
}

/// Joins packets of one flow that follow each other into large segments.
#[derive(Default)]
pub struct Joiner {
    buffers: Vec<Vec<u8>>,
    used: usize,
    to_write: Vec<usize>,
}

impl Joiner {
    /// Takes a copy of `packet`.
    pub fn push(&mut self, packet: &[u8]) {
        if self.used == self.buffers.len() {
            self.buffers.push(Vec::with_capacity(HEADER + MAX_PACKET));
        }
        let buffer = &mut self.buffers[self.used];
        buffer.clear();
        buffer.resize(VIRTIO_NET_HDR_LEN, 0);
        buffer.extend_from_slice(packet);
        self.used += 1;
    }

    /// Joins what was pushed; calls `write` with each result, header of the device first, and starts anew.
    pub fn flush(&mut self, udp: bool, mut write: impl FnMut(&[u8])) -> io::Result<()> {
        self.to_write.clear();
        let buffers = &mut self.buffers[..self.used];
        self.used = 0;
        handle_gro(buffers, VIRTIO_NET_HDR_LEN, &mut Default::default(), &mut Default::default(), udp, &mut self.to_write)?;
        for &index in &self.to_write {
            write(&buffers[index]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 TCP packet of `payload` octets, checksum field holding the pseudo-header's sum as the kernel leaves it.
    fn tcp(payload: usize, sequence: u32) -> Vec<u8> {
        let total = 40 + payload;
        let mut packet = vec![0; total];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        packet[6] = 0x40;
        packet[8] = 64;
        packet[9] = 6;
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 0, 0, 2]);
        packet[20..24].copy_from_slice(&[0, 80, 1, 187]);
        packet[24..28].copy_from_slice(&sequence.to_be_bytes());
        packet[32] = 0x50;
        packet[33] = 0x10;
        for (k, octet) in packet[40..].iter_mut().enumerate() {
            *octet = (sequence as usize + k) as u8;
        }
        let header_sum = !tun_rs::checksum(&packet[..20], 0);
        packet[10..12].copy_from_slice(&header_sum.to_be_bytes());
        packet
    }

    fn pseudo(packet: &[u8]) -> u16 {
        let mut bytes = packet[12..20].to_vec();
        bytes.extend_from_slice(&[0, 6]);
        bytes.extend_from_slice(&((packet.len() - 20) as u16).to_be_bytes());
        tun_rs::checksum(&bytes, 0)
    }

    fn virtio(flags: u8, gso_type: u8, gso_size: u16, start: u16, offset: u16) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        VirtioNetHdr { flags, gso_type, hdr_len: 0, gso_size, csum_start: start, csum_offset: offset }.encode(&mut bytes).unwrap();
        bytes
    }

    fn valid(packet: &[u8]) -> bool {
        tun_rs::checksum(&packet[20..], u64::from(pseudo(packet))) == 0xffff
    }

    #[test]
    fn splits_and_joins_back() {
        let mut large = tcp(3000, 7);
        let sum = pseudo(&large).to_be_bytes();
        large[36..38].copy_from_slice(&sum);
        let plan = plan(&virtio(1, 1, 1000, 20, 16), &large).unwrap();
        assert_eq!(plan.shape, Shape::Large { packets: 3, size: 1040 });
        let mut overflow = Overflow::default();
        overflow.fill(&plan, &mut large, 3, 1040).unwrap();
        assert_eq!(overflow.len(), 3);
        let mut joiner = Joiner::default();
        while let Some(packet) = overflow.pop() {
            assert!(valid(&packet));
            joiner.push(&packet);
        }
        let mut written = Vec::new();
        joiner.flush(false, |packet| written.push(packet.to_vec())).unwrap();
        assert_eq!(written.len(), 1);
        assert_eq!(written[0][HEADER + 40..], tcp(3000, 7)[40..]);
    }

    #[test]
    fn completes_a_checksum() {
        let mut packet = tcp(11, 1);
        let sum = pseudo(&packet).to_be_bytes();
        packet[36..38].copy_from_slice(&sum);
        let plan = plan(&virtio(1, 0, 0, 20, 16), &packet).unwrap();
        assert_eq!(plan.shape, Shape::Unchecked);
        complete_checksum(&plan, &mut packet);
        assert!(valid(&packet));
    }

    #[test]
    fn lets_complete_packets_of_other_protocols_through() {
        assert_eq!(plan(&virtio(0, 0, 0, 0, 0), &[0x10]).unwrap().shape, Shape::Whole);
    }

    #[test]
    fn refuses_headers_that_lie() {
        let packet = tcp(100, 1);
        for header in [virtio(1, 0, 0, 200, 16), virtio(1, 1, 0, 20, 16), virtio(1, 1, 10, 130, 16), virtio(1, 1, 10, 0xffff, 0xffff)] {
            assert!(plan(&header, &packet).is_none());
        }
        assert!(plan(&virtio(0, 0, 0, 0, 0), &[]).is_none());
        assert!(plan(&virtio(1, 0, 0, 0, 0), &[0x10; 40]).is_none());
        assert!(plan(&virtio(0, 1, 10, 0, 0), &[0x10; 40]).is_none());
        assert!(plan(&[0; 3], &packet).is_none());
    }
}
