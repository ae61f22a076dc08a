//! Trains: packets of one flow that follow each other, alike but for what counts up, kept as one.
//!
//! A train is decided about once. The first packet's headers stand for all: their length field counts the payload of the whole train, as the kernel
//! has it in a large segment. Payload lies in pieces of `size` octets, `stride` octets apart; only the last may be shorter.
//!
//! ```text
//! from a TUN        [headers][piece ][piece ][pie]                       stride = size
//! from a socket     [prefix][headers][piece ][prefix][headers][piece ]   stride = prefix + headers + size
//! ```
//!
//! Transport checksums of a train are made when it is taken apart, or by the kernel: whoever makes a train has verified those that it had.

use crate::checksum::{fold, sum};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

const TCP_FIN: u8 = 0x01;
pub(crate) const TCP_PSH: u8 = 0x08;
pub(crate) const TCP_ACK: u8 = 0x10;
const TCP_CWR: u8 = 0x80;

/// Longest headers: IP without options or extension headers, TCP with all options.
pub const MAX_HEADERS: usize = 40 + 60;

/// Largest IP packet, and so the largest train.
pub const MAX_PACKET: usize = 65_535;

/// What a train is made of, beside the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Train {
    /// Octets of IP and transport headers.
    pub headers: usize,
    /// Octets of payload in each packet but the last.
    pub size: usize,
    /// Octets from one piece of payload to the next.
    pub stride: usize,
    /// Octets of payload in all.
    pub payload: usize,
}

impl Train {
    pub fn packets(&self) -> usize {
        self.payload.div_ceil(self.size)
    }

    /// Where the payload of packet `index` is, from the start of the headers.
    pub fn piece(&self, index: usize) -> std::ops::Range<usize> {
        let start = self.headers + index * self.stride;
        start..start + self.size.min(self.payload - index * self.size)
    }

    /// Octets from the start of the headers to the end of the last piece.
    pub fn span(&self) -> usize {
        self.piece(self.packets() - 1).end
    }

    /// Reads the words that JavaScript carried; `None` when they cannot be of a train in `available` octets behind an IP header at `ip`.
    pub fn check(length: usize, headers: usize, size: usize, stride: usize, ip: &[u8]) -> Option<Self> {
        if headers > MAX_HEADERS || length <= headers || length > MAX_PACKET || size == 0 || stride < size {
            return None;
        }
        let train = Self { headers, size, stride, payload: length - headers };
        let Ip { transport, protocol, .. } = Ip::read(ip)?;
        let least = if protocol == TCP { 20 } else { 8 };
        ((protocol == TCP || protocol == UDP) && headers >= transport + least && train.span() <= ip.len()).then_some(train)
    }

    /// Writes the headers of packet `index` to `output`, checksums and all; `ip` starts with the train's headers.
    pub fn write_headers(&self, ip: &[u8], index: usize, output: &mut [u8]) {
        let piece = self.piece(index);
        let length = self.headers + piece.len();
        let header = Ip::of(ip);
        let output = &mut output[..self.headers];
        output.copy_from_slice(&ip[..self.headers]);
        if header.v6 {
            put16(output, 4, (length - 40) as u32);
        } else {
            put16(output, 2, length as u32);
            put16(output, 4, u32::from(get16(ip, 4)) + index as u32);
            put16(output, 10, 0);
            let check = !sum(&output[..header.transport]);
            put16(output, 10, check);
        }
        let pseudo = header.pseudo(ip, length - header.transport);
        let transport = &mut output[header.transport..];
        let check_at = if header.protocol == TCP { 16 } else { 6 };
        if header.protocol == TCP {
            let sequence = get32(transport, 4).wrapping_add((index * self.size) as u32);
            transport[4..8].copy_from_slice(&sequence.to_be_bytes());
            if index > 0 {
                transport[13] &= !TCP_CWR;
            }
            if index + 1 < self.packets() {
                transport[13] &= !(TCP_FIN | TCP_PSH);
            }
        } else {
            put16(transport, 4, (8 + piece.len()) as u32);
        }
        put16(transport, check_at, 0);
        let total = u64::from(pseudo) + u64::from(sum(transport)) + u64::from(sum(&ip[piece]));
        let check = !fold(total) & 0xffff;
        put16(transport, check_at, if check == 0 && header.protocol == UDP { 0xffff } else { check });
    }

    /// Writes the packets of the train at `ip`, a range of `buffer`, to `buffer` from `room` on, `headroom` octets and `prefix` octets, which are what
    /// is before the train, before each; `place` is told where each begins and ends. Returns false when there is no room.
    pub fn split(
        &self,
        buffer: &mut [u8],
        ip: usize,
        prefix: usize,
        room: usize,
        headroom: usize,
        mut place: impl FnMut(usize, usize),
    ) -> bool {
        let gap = (headroom + prefix).next_multiple_of(64);
        if room < ip + self.span() || room + self.packets() * (gap + self.headers + self.size + 64) > buffer.len() {
            return false;
        }
        let (trains, packets) = buffer.split_at_mut(room);
        let (tunnel, train) = (&trains[ip - prefix..ip], &trains[ip..]);
        let mut at = gap;
        for index in 0..self.packets() {
            let piece = self.piece(index);
            let end = at + self.headers + piece.len();
            packets[at - prefix..at].copy_from_slice(tunnel);
            self.write_headers(train, index, &mut packets[at..]);
            packets[at + self.headers..end].copy_from_slice(&train[piece]);
            place(room + at - prefix, room + end);
            at = end.next_multiple_of(64) + gap;
        }
        true
    }

    /// Makes the headers at the start of `ip` those of a large segment, its checksum left to whoever cuts it.
    pub fn write_large_headers(&self, ip: &mut [u8]) {
        let header = Ip::of(ip);
        let length = self.headers + self.payload;
        if header.v6 {
            put16(ip, 4, (length - 40) as u32);
        } else {
            put16(ip, 2, length as u32);
            put16(ip, 10, 0);
            let check = !sum(&ip[..header.transport]);
            put16(ip, 10, check);
        }
        let pseudo = header.pseudo(ip, length - header.transport);
        let at = header.transport;
        if header.protocol == UDP {
            put16(ip, at + 4, (length - at) as u32);
        }
        put16(ip, at + if header.protocol == TCP { 16 } else { 6 }, pseudo);
    }
}

/// What the headers of an IP packet without options or extension headers say.
#[derive(Debug, Clone, Copy)]
pub struct Ip {
    pub v6: bool,
    pub protocol: u8,
    /// Octets of the IP header.
    pub transport: usize,
}

impl Ip {
    pub fn read(ip: &[u8]) -> Option<Self> {
        match *ip {
            [0x45..=0x4f, ..] if ip.len() >= usize::from(ip[0] & 15) * 4 => Some(Self::of(ip)),
            [0x60..=0x6f, ..] if ip.len() >= 40 => Some(Self::of(ip)),
            _ => None,
        }
    }

    /// As `read`, for a header that was read before.
    pub(crate) fn of(ip: &[u8]) -> Self {
        let v6 = ip[0] >> 4 == 6;
        let transport = if v6 { 40 } else { usize::from(ip[0] & 15) * 4 };
        Self { v6, protocol: ip[if v6 { 6 } else { 9 }], transport }
    }

    /// Sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
    pub(crate) fn pseudo(&self, ip: &[u8], length: usize) -> u32 {
        let addresses = if self.v6 { &ip[8..40] } else { &ip[12..20] };
        fold(u64::from(sum(addresses)) + u64::from(self.protocol) + length as u64)
    }
}

pub fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put16(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::wagon::Wagon;

    /// Asks for a packet of `packet` to be handed over at once.
    pub fn push(packet: &mut [u8]) {
        let transport = Ip::of(packet).transport;
        packet[transport + 13] |= TCP_PSH;
        let check = u32::from(get16(packet, transport + 16)) + 0xffff - u32::from(TCP_PSH);
        put16(packet, transport + 16, fold(u64::from(check)));
    }

    /// A sound packet from `10.0.0.1` or `2001:db8::1`, its payload counting from `sequence`.
    pub fn packet(v6: bool, protocol: u8, sequence: u32, payload: usize) -> Vec<u8> {
        let transport = if v6 { 40 } else { 20 };
        let headers = transport + if protocol == TCP { 32 } else { 8 };
        let mut bytes = vec![0; headers];
        if v6 {
            bytes[0] = 0x60;
            put16(&mut bytes, 4, (headers - 40 + payload) as u32);
            bytes[6] = protocol;
            bytes[7] = 64;
            bytes[8..12].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
            bytes[23] = 1;
            bytes[24..28].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
            bytes[39] = 2;
        } else {
            bytes[0] = 0x45;
            put16(&mut bytes, 2, (headers + payload) as u32);
            put16(&mut bytes, 6, 0x4000);
            bytes[8] = 64;
            bytes[9] = protocol;
            bytes[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            let check = !sum(&bytes[..20]);
            put16(&mut bytes, 10, check);
        }
        bytes[transport..transport + 4].copy_from_slice(&[0, 80, 1, 187]);
        if protocol == TCP {
            bytes[transport + 4..transport + 8].copy_from_slice(&sequence.to_be_bytes());
            bytes[transport + 12..transport + 14].copy_from_slice(&[0x80, TCP_ACK]);
            bytes[transport + 20..transport + 24].copy_from_slice(&[1, 1, 8, 10]);
        } else {
            put16(&mut bytes, transport + 4, (8 + payload) as u32);
        }
        bytes.extend((0..payload).map(|k| (sequence as usize + k) as u8));
        let ip = Ip::of(&bytes);
        let total = ip.pseudo(&bytes, bytes.len() - transport) + sum(&bytes[transport..]);
        put16(&mut bytes, transport + if protocol == TCP { 16 } else { 6 }, !fold(u64::from(total)));
        bytes
    }

    #[test]
    fn packets_of_a_train_are_sound_and_continue_each_other() {
        for v6 in [false, true] {
            for protocol in [TCP, UDP] {
                let mut large = packet(v6, protocol, 7, 3500);
                let headers = large.len() - 3500;
                let train = Train::check(large.len(), headers, 1000, 1000, &large).unwrap();
                assert_eq!((train.packets(), train.span()), (4, large.len()));
                train.write_large_headers(&mut large);
                let mut made: Vec<Vec<u8>> = Vec::new();
                for index in 0..4 {
                    let mut output = vec![0xa5; headers];
                    train.write_headers(&large, index, &mut output);
                    output.extend_from_slice(&large[train.piece(index)]);
                    let wagon = Wagon::read(&output).unwrap();
                    assert!(wagon.is_sound(&output), "packet {index}, v6 {v6}, protocol {protocol}");
                    if let Some(first) = made.first() {
                        let head = Wagon::read(first).unwrap();
                        assert!(head.continues(first, made.len(), &wagon, &output));
                        assert!(protocol == UDP || !head.continues(first, made.len() + 1, &wagon, &output));
                        assert_eq!(wagon.is_last(&head, &output), index == 3);
                    }
                    made.push(output);
                }
                let sizes: Vec<usize> = made.iter().map(|one| one.len() - headers).collect();
                assert_eq!(sizes, [1000, 1000, 1000, 500]);
                let payload: Vec<u8> = made.iter().flat_map(|one| one[headers..].to_vec()).collect();
                assert_eq!(payload, large[headers..]);
            }
        }
    }

    #[test]
    fn is_split_behind_its_prefix() {
        let large = packet(true, UDP, 3, 250);
        let mut buffer = [&[0xee; 100][..], &[1, 2, 3, 4], &large, &[0; 2000]].concat();
        let train = Train::check(large.len(), 48, 100, 100, &large).unwrap();
        let mut places = Vec::new();
        assert!(!train.split(&mut buffer.clone(), 104, 4, 1900, 32, |_, _| panic!("no room")));
        assert!(!train.split(&mut buffer.clone(), 104, 4, 200, 32, |_, _| panic!("on itself")));
        assert!(train.split(&mut buffer, 104, 4, 500, 32, |start, end| places.push((start, end))));
        assert_eq!(places.iter().map(|(start, end)| end - start).collect::<Vec<_>>(), [152, 152, 102]);
        let mut before = 500;
        for (start, end) in places {
            assert!(start >= before + 32);
            assert_eq!(buffer[start..start + 4], [1, 2, 3, 4]);
            assert!(Wagon::read(&buffer[start + 4..end]).unwrap().is_sound(&buffer[start + 4..end]));
            before = end;
        }
    }

    #[test]
    fn push_and_fin_are_the_last_packet_s() {
        let mut large = packet(false, TCP, 1, 2000);
        large[33] |= TCP_PSH | TCP_FIN;
        let train = Train::check(large.len(), 52, 1000, 1000, &large).unwrap();
        let flags = |index| {
            let mut output = vec![0; 52];
            train.write_headers(&large, index, &mut output);
            output[33]
        };
        assert_eq!([flags(0), flags(1)], [TCP_ACK, TCP_ACK | TCP_PSH | TCP_FIN]);
    }

    #[test]
    fn words_that_cannot_be_a_train_are_refused() {
        let bytes = packet(false, TCP, 0, 1000);
        let check = |length, headers, size, stride| Train::check(length, headers, size, stride, &bytes);
        assert!(check(bytes.len(), 52, 100, 100).is_some());
        for (length, headers, size, stride) in [
            (bytes.len() + 1, 52, 100, 100),
            (52, 52, 1, 1),
            (bytes.len(), 39, 100, 100),
            (bytes.len(), 52, 0, 0),
            (bytes.len(), 52, 100, 99),
            (bytes.len(), 52, 100, 101),
            (bytes.len(), 101, 100, 100),
        ] {
            assert!(check(length, headers, size, stride).is_none(), "{length} {headers} {size} {stride}");
        }
        assert!(Train::check(1000, 52, 100, 100, &[0x10; 2000]).is_none());
    }
}
