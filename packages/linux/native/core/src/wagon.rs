//! Packets that are, or may become, part of a train.

use crate::{
    checksum::{fold, sum},
    train::{Ip, MAX_PACKET, TCP, TCP_ACK, TCP_PSH, Train, UDP, get16, get32},
};

/// A packet that others may follow in a train, or that follows one.
#[derive(Debug, Clone, Copy)]
pub struct Wagon {
    ip: Ip,
    headers: usize,
    payload: usize,
}

impl Wagon {
    /// Reads a packet that fills `packet`; `None` for anything that has to stay alone.
    ///
    /// IPv4 has to have DF: a train is never fragmented, and its identification means nothing then (RFC 6864 §4).
    pub fn read(packet: &[u8]) -> Option<Self> {
        Self::of_length(packet, packet.len())
    }

    /// The first packet of a train, whose headers are at the start of `ip`.
    pub fn first_of(train: &Train, ip: &[u8]) -> Option<Self> {
        let first = Self::of_length(ip, train.headers + train.payload)?;
        (first.headers == train.headers).then_some(Self { payload: train.size, ..first })
    }

    /// What headers at the start of `ip` say that are to be of `length` octets with their payload.
    fn of_length(ip: &[u8], length: usize) -> Option<Self> {
        let header = Ip::read(ip)?;
        if header.v6 {
            if usize::from(get16(ip, 4)) + 40 != length {
                return None;
            }
        } else if ip[0] != 0x45 || ip.len() < 20 || get16(ip, 6) != 0x4000 || usize::from(get16(ip, 2)) != length {
            return None;
        }
        let transport = ip.get(header.transport..)?;
        let rest = length.checked_sub(header.transport)?;
        let headers = match header.protocol {
            TCP if transport.len() >= 20 && transport[13] & !TCP_PSH == TCP_ACK => usize::from(transport[12] >> 4) * 4,
            UDP if transport.len() >= 8 && get16(transport, 6) != 0 && usize::from(get16(transport, 4)) == rest => 8,
            _ => return None,
        };
        if headers >= rest || headers > transport.len() || (header.protocol == TCP && headers < 20) {
            return None;
        }
        Some(Self { ip: header, headers: header.transport + headers, payload: rest - headers })
    }

    /// Whether the transport checksum, and the IPv4 header's, are right: a train has others made, which must not hide a wrong one.
    pub fn is_sound(&self, packet: &[u8]) -> bool {
        let Ip { v6, transport, .. } = self.ip;
        let total = self.ip.pseudo(packet, packet.len() - transport) + sum(&packet[transport..]);
        (v6 || sum(&packet[..transport]) == 0xffff) && fold(u64::from(total)) == 0xffff
    }

    /// Whether `next` continues a train that begins with this packet `first` and has `packets` packets of its size.
    pub fn continues(&self, first: &[u8], packets: usize, next: &Self, packet: &[u8]) -> bool {
        if next.headers != self.headers || next.payload > self.payload {
            return false;
        }
        if self.headers + packets * self.payload + next.payload > MAX_PACKET {
            return false;
        }
        let same = |from: usize, to: usize| first[from..to] == packet[from..to];
        let same_ip = if self.ip.v6 { same(0, 4) && same(6, 40) } else { same(0, 2) && same(6, 10) && same(12, 20) };
        let at = self.ip.transport;
        if !same_ip || !same(at, at + 4) {
            return false;
        }
        if self.ip.protocol == UDP {
            return true;
        }
        let sequence = get32(first, at + 4).wrapping_add((packets * self.payload) as u32);
        // Acknowledgment and header length, window and urgent pointer, options. The push of a train is its last packet's.
        get32(packet, at + 4) == sequence && same(at + 8, at + 13) && same(at + 14, at + 16) && same(at + 18, self.headers)
    }

    /// Whether nothing may follow this packet of the train that begins with `first`: it is shorter, or is to be pushed.
    pub fn is_last(&self, first: &Self, packet: &[u8]) -> bool {
        self.payload < first.payload || self.is_pushed(packet)
    }

    /// Whether its sender wants it to be handed over at once.
    pub fn is_pushed(&self, packet: &[u8]) -> bool {
        self.ip.protocol == TCP && packet[self.ip.transport + 13] & TCP_PSH != 0
    }

    /// The push of a train is its last packet's; while it is one, it is in the headers that stand for all.
    pub fn push(&self, first: &mut [u8]) {
        first[self.ip.transport + 13] |= TCP_PSH;
    }

    pub fn is_tcp(&self) -> bool {
        self.ip.protocol == TCP
    }

    pub fn headers(&self) -> usize {
        self.headers
    }

    pub fn payload(&self) -> usize {
        self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::packet;

    #[test]
    fn what_is_out_of_order_marked_or_unsound_stays_alone() {
        let first = packet(false, TCP, 0, 100);
        let head = Wagon::read(&first).unwrap();
        let follows = |mut next: Vec<u8>, change: &dyn Fn(&mut [u8])| {
            change(&mut next);
            Wagon::read(&next).is_some_and(|wagon| head.continues(&first, 1, &wagon, &next))
        };
        let good = packet(false, TCP, 100, 100);
        assert!(follows(good.clone(), &|_| ()));
        assert!(!follows(packet(false, TCP, 101, 100), &|_| ()));
        assert!(!follows(packet(false, TCP, 100, 101), &|_| ()));
        for (at, bits) in
            [(1, 1), (6, 0x20), (6, 0x40), (8, 1), (12, 1), (19, 1), (20, 1), (23, 1), (28, 1), (33, 0x40), (33, 2), (34, 1), (43, 1)]
        {
            assert!(!follows(good.clone(), &|next| next[at] ^= bits), "octet {at}");
        }
        let mut wrong = good;
        wrong[70] ^= 1;
        assert!(!Wagon::read(&wrong).unwrap().is_sound(&wrong));
        for length in 0..first.len() {
            assert!(Wagon::read(&first[..length]).is_none(), "{length} octets");
        }
    }
}
