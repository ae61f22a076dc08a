//! The virtio header of a TUN or TAP device with offload: what the kernel says of a packet, and what it is told.

use crate::{
    checksum::sum,
    train::{Ip, MAX_HEADERS, TCP, Train},
};

/// Octets of the header (`struct virtio_net_hdr`).
pub const HEADER: usize = 10;

/// Octets of an Ethernet header, which a TAP device has before IP.
pub const ETHERNET: usize = 14;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// Least payload of a TCP segment: of the least MSS that Linux sends, options may take 40 octets (`TCP_MIN_SND_MSS`).
const LEAST_TCP_PAYLOAD: usize = 8;
/// Most datagrams of a large one (`UDP_MAX_SEGMENTS`).
const MOST_UDP_PACKETS: usize = 128;
/// Flag of a type: the first packet has CWR, as it has in any train.
const GSO_ECN: u8 = 0x80;

/// What a packet is that was just read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Complete.
    Whole,
    /// Several packets to be.
    Large(Train),
}

/// Reads what the header says, and completes the checksum of a single packet. `None`: header and packet disagree, drop the packet.
///
/// `frame` begins with `link` octets of a header of the link, behind which is IP.
pub fn open(header: [u8; HEADER], frame: &mut [u8], link: usize) -> Option<Shape> {
    let [flags, kind, ..] = header;
    let word = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (size, start, offset) = (word(4), word(6), word(8));
    if kind == GSO_NONE {
        if flags & NEEDS_CHECKSUM != 0 {
            complete_checksum(frame, start, offset)?;
        }
        return Some(Shape::Whole);
    }
    let (packet, start) = (frame.get_mut(link..)?, start.checked_sub(link)?);
    // `hdr_len` may count the whole first packet on forwarded traffic, so the headers are measured here.
    let ip = Ip::read(packet)?;
    let transport = match kind & !GSO_ECN {
        GSO_TCPV4 | GSO_TCPV6 => usize::from(*packet.get(start + 12)? >> 4) * 4,
        GSO_UDP_L4 => 8,
        _ => return None,
    };
    if start != ip.transport || ip.v6 && kind & !GSO_ECN == GSO_TCPV4 {
        return None;
    }
    let headers = start + transport;
    if packet.len() <= headers + size {
        // One packet after all.
        complete_checksum(packet, start, offset)?;
        return (packet.len() > headers && headers <= MAX_HEADERS).then_some(Shape::Whole);
    }
    Train::check(packet.len(), headers, size, size, packet).filter(|train| is_of_a_stack(train, ip.protocol)).map(Shape::Large)
}

/// Whether a train is cut no finer than stacks cut. Whoever makes one by hand could have it stand for so many headers that a rate which it is charged to
/// is used up for long.
fn is_of_a_stack(train: &Train, protocol: u8) -> bool {
    if protocol == TCP { train.size >= LEAST_TCP_PAYLOAD } else { train.packets() <= MOST_UDP_PACKETS }
}

/// Computes the checksum of which the kernel left the pseudo-header's sum.
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let at = start + offset;
    if at + 2 > packet.len() {
        return None;
    }
    let check = !(sum(packet.get(start..)?) as u16);
    // UDP says "no checksum" with zero; ones' complement has a second zero for that (RFC 768).
    let check = if check == 0 && offset != 16 { 0xffff } else { check };
    packet[at..at + 2].copy_from_slice(&check.to_be_bytes());
    Some(())
}

/// The header before a train that is handed to the kernel, whose own headers are in `ip`, behind `link` octets of a header of the link.
pub fn close(train: &Train, ip: &[u8], link: usize) -> Option<[u8; HEADER]> {
    let Ip { v6, protocol, transport } = Ip::read(ip)?;
    let kind = match (protocol, v6) {
        (TCP, false) => GSO_TCPV4,
        (TCP, true) => GSO_TCPV6,
        _ => GSO_UDP_L4,
    };
    let mut header = [0; HEADER];
    header[0] = NEEDS_CHECKSUM;
    header[1] = kind;
    let offset = if protocol == TCP { 16 } else { 6 };
    for (at, value) in [(2, link + train.headers), (4, train.size), (6, link + transport), (8, offset)] {
        header[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
    }
    Some(header)
}

/// Whether what `close` made is of UDP, which not every device takes.
pub fn is_udp(header: &[u8; HEADER]) -> bool {
    header[1] == GSO_UDP_L4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        train::{UDP, tests::packet},
        wagon::Wagon,
    };

    fn virtio(flags: u8, kind: u8, size: u16, start: u16, offset: u16) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = flags;
        bytes[1] = kind;
        for (at, value) in [(4, size), (6, start), (8, offset)] {
            bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn opens_what_it_closes() {
        for (v6, protocol) in [(false, TCP), (true, TCP), (false, UDP), (true, UDP)] {
            let large = packet(v6, protocol, 1, 3000);
            let headers = large.len() - 3000;
            let train = Train::check(large.len(), headers, 1000, 1000, &large).unwrap();
            for link in [0, ETHERNET] {
                let header = close(&train, &large, link).unwrap();
                let mut frame = [&vec![0xee; link][..], &large].concat();
                assert_eq!(open(header, &mut frame, link), Some(Shape::Large(train)));
                let mut one = packet(v6, protocol, 1, 900);
                let before = [&vec![0xee; link][..], &one].concat();
                // One packet that the kernel marked as large lacks its checksum as any other.
                train_of_one(&mut one, headers);
                let mut frame = [&vec![0xee; link][..], &one].concat();
                assert_eq!(open(header, &mut frame, link), Some(Shape::Whole));
                assert!(Wagon::read(&frame[link..]).unwrap().is_sound(&frame[link..]));
                assert_eq!(frame, before);
            }
        }
    }

    fn train_of_one(one: &mut [u8], headers: usize) {
        Train { headers, size: 1000, stride: 1000, payload: one.len() - headers }.write_large_headers(one);
    }

    #[test]
    fn lets_complete_packets_of_other_protocols_through() {
        assert_eq!(open(virtio(0, 0, 0, 0, 0), &mut [0x10], 0), Some(Shape::Whole));
    }

    // One packet was charged as millions of octets to the rate of an endpoint.
    #[test]
    fn refuses_trains_that_no_stack_makes() {
        for v6 in [false, true] {
            for (protocol, kind, least) in [(TCP, if v6 { GSO_TCPV6 } else { GSO_TCPV4 }, 8), (UDP, GSO_UDP_L4, 469)] {
                let mut large = packet(v6, protocol, 1, 60_000);
                let start = if v6 { 40 } else { 20 };
                for (size, is_taken) in [(1, false), (least - 1, false), (least, true)] {
                    let offset = if protocol == TCP { 16 } else { 6 };
                    let shape = open(virtio(1, kind, size, start, offset), &mut large, 0);
                    assert_eq!(matches!(shape, Some(Shape::Large(_))), is_taken, "{size} octets, v6 {v6}, protocol {protocol}");
                    assert_eq!(shape.is_none(), !is_taken);
                }
            }
        }
    }

    #[test]
    fn refuses_headers_that_lie() {
        let mut tcp = packet(false, TCP, 1, 100);
        let headers = [
            virtio(1, 0, 0, 200, 16),
            virtio(1, 1, 0, 20, 16),
            virtio(1, 1, 10, 130, 16),
            virtio(1, 1, 10, 0xffff, 0xffff),
            virtio(1, 4, 10, 24, 16),
            virtio(1, 9, 10, 20, 16),
        ];
        for header in headers {
            assert!(open(header, &mut tcp, 0).is_none());
        }
        assert!(open(virtio(1, 0, 0, 50, 16), &mut [0x10; 40], 0).is_none());
        assert!(open(virtio(0, 1, 10, 0, 0), &mut [0x10; 40], 0).is_none());
        assert!(open(virtio(1, 1, 10, 20, 16), &mut [0x45; 10], 0).is_none());
        // Where the header of a link should be, and what says that the checksum is in it.
        assert!(open(virtio(1, 1, 10, 34, 16), &mut [0; 13], ETHERNET).is_none());
        assert!(open(virtio(1, 1, 10, 6, 16), &mut [0x45; 100], ETHERNET).is_none());
    }
}
