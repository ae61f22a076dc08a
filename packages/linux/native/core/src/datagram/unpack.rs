//! Takes coalesced messages apart: tunnelled packets one by one, each with room before it, and those that continue each other as trains.

use std::collections::VecDeque;

use super::descriptor;
use crate::{train::Train, wagon::Wagon};

/// What stands between a datagram's start and the IP packet that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A label stack (RFC 7510).
    Mpls,
    /// VXLAN and Ethernet headers (RFC 7348).
    Vxlan,
}

const LABEL: usize = 4;
const BOTTOM: u8 = 1;
const VXLAN: usize = 8 + 14;

impl Framing {
    /// Octets before the IP packet; `None` where nothing says that there is one.
    fn prefix(self, datagram: &[u8]) -> Option<usize> {
        match self {
            Self::Mpls => Some((datagram.chunks_exact(LABEL).position(|entry| entry[2] & BOTTOM != 0)? + 1) * LABEL),
            Self::Vxlan => matches!(datagram.get(VXLAN - 2..VXLAN)?, [0x08, 0x00] | [0x86, 0xdd]).then_some(VXLAN),
        }
    }
}

/// The rest of a received message.
struct Message {
    at: usize,
    end: usize,
    segment: usize,
    words: [u32; descriptor::WORDS],
    /// Before its next datagram the headroom is free.
    is_whole: bool,
}

/// Messages that wait to be taken apart.
#[derive(Default)]
pub struct Unpacker {
    messages: VecDeque<Message>,
}

/// A datagram, or several as a train.
struct Unit {
    /// Octets that it takes in the message.
    span: usize,
    /// Octets as a descriptor says.
    length: usize,
    inner: usize,
    train: Option<Train>,
}

impl Unpacker {
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes a received message.
    pub fn push(&mut self, words: &[u32]) {
        let (at, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
        let segment = if words[descriptor::SEGMENT] == 0 { length } else { words[descriptor::SEGMENT] as usize };
        let mut held = [0; descriptor::WORDS];
        held.copy_from_slice(words);
        self.messages.push_back(Message { at, end: at + length, segment, words: held, is_whole: true });
    }

    /// Fills descriptors until they or the room for copies, the octets of `buffer` from `room` on, run out; returns how many.
    pub fn take(&mut self, buffer: &mut [u8], room: usize, headroom: usize, framing: Framing, descriptors: &mut [u32]) -> usize {
        let mut room = room;
        let mut filled = 0;
        let mut outputs = descriptors.chunks_exact_mut(descriptor::WORDS);
        while let Some(message) = self.messages.front_mut() {
            let fits = message.is_whole || room + headroom + (message.end - message.at) <= buffer.len();
            let Some(words) = (if fits { outputs.next() } else { None }) else { break };
            let unit = next_unit(&mut buffer[message.at..message.end], message.segment, framing);
            let mut at = message.at;
            if !message.is_whole {
                at = room + headroom;
                buffer.copy_within(message.at..message.at + unit.span, at);
                room = at + unit.span;
            }
            words.copy_from_slice(&message.words);
            words[descriptor::OFFSET] = at as u32;
            words[descriptor::LENGTH] = unit.length as u32;
            words[descriptor::SEGMENT] = 0;
            words[descriptor::INNER] = unit.inner as u32;
            if let Some(train) = unit.train {
                words[descriptor::HEADERS] = train.headers as u32;
                words[descriptor::SIZE] = train.size as u32;
                words[descriptor::STRIDE] = train.stride as u32;
            }
            filled += 1;
            message.is_whole = false;
            message.at += unit.span;
            if message.at >= message.end {
                self.messages.pop_front();
            }
        }
        filled
    }
}

/// The first datagram of a message, with those behind it that continue it.
fn next_unit(message: &mut [u8], segment: usize, framing: Framing) -> Unit {
    let size = segment.min(message.len());
    let Some(inner) = framing.prefix(&message[..size]) else { return Unit { span: size, length: size, inner: 0, train: None } };
    let alone = Unit { span: size, length: size, inner, train: None };
    let Some(head) = Wagon::read(&message[inner..size]) else { return alone };
    if size == message.len() || head.is_last(&head, &message[inner..size]) {
        return alone;
    }
    let (mut packets, mut payload, mut span) = (1, head.payload(), size);
    while span < message.len() {
        let (done, rest) = message.split_at_mut(span);
        let next = &rest[..segment.min(rest.len())];
        let first = &mut done[..size];
        if next.len() <= inner || next[..inner] != first[..inner] {
            break;
        }
        let packet = &next[inner..];
        let Some(wagon) = Wagon::read(packet) else { break };
        if !head.continues(&first[inner..], packets, &wagon, packet) {
            break;
        }
        // Only what is joined needs to be sound: others are judged by whom they are for.
        if packets == 1 && !head.is_sound(&first[inner..]) || !wagon.is_sound(packet) {
            break;
        }
        if wagon.is_pushed(packet) {
            head.push(&mut first[inner..]);
        }
        packets += 1;
        payload += wagon.payload();
        span += next.len();
        if wagon.is_last(&head, packet) {
            break;
        }
    }
    if packets == 1 {
        return alone;
    }
    let train = Train { headers: head.headers(), size: head.payload(), stride: segment, payload };
    train.write_large_headers(&mut message[inner..]);
    Unit { span, length: inner + train.headers + payload, inner, train: Some(train) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{TCP, UDP, tests::packet};

    const HEADROOM: usize = 32;

    /// A message of datagrams behind `prefix`, at offset 32 of a buffer that has room for copies behind it.
    fn message(prefix: &[u8], packets: &[Vec<u8>]) -> (Vec<u8>, [u32; descriptor::WORDS], usize) {
        let mut buffer = vec![0; HEADROOM];
        let mut words = [0; descriptor::WORDS];
        words[descriptor::OFFSET] = HEADROOM as u32;
        words[descriptor::SEGMENT] = (prefix.len() + packets[0].len()) as u32;
        words[descriptor::PORT] = 50_000;
        for packet in packets {
            buffer.extend_from_slice(prefix);
            buffer.extend_from_slice(packet);
        }
        words[descriptor::LENGTH] = (buffer.len() - HEADROOM) as u32;
        let room = buffer.len();
        buffer.resize(room * 4 + 4096, 0);
        (buffer, words, room)
    }

    fn unpack(prefix: &[u8], packets: &[Vec<u8>], framing: Framing) -> (Vec<u8>, Vec<[u32; descriptor::WORDS]>) {
        let (mut buffer, words, room) = message(prefix, packets);
        let mut unpacker = Unpacker::default();
        unpacker.push(&words);
        let mut descriptors = vec![0; 64 * descriptor::WORDS];
        let count = unpacker.take(&mut buffer, room, HEADROOM, framing, &mut descriptors);
        assert!(unpacker.is_empty());
        let units = descriptors.chunks_exact(descriptor::WORDS).take(count).map(|words| words.try_into().unwrap()).collect();
        (buffer, units)
    }

    const STACK: [u8; 8] = [0, 1, 0, 64, 0, 2, 1, 64];

    #[test]
    fn packets_that_continue_each_other_are_a_train() {
        for v6 in [false, true] {
            let packets = [packet(v6, TCP, 0, 100), packet(v6, TCP, 100, 100), packet(v6, TCP, 200, 40)];
            let (mut buffer, units) = unpack(&STACK, &packets, Framing::Mpls);
            assert_eq!(units.len(), 1);
            let words = units[0];
            let headers = packets[0].len() - 100;
            assert_eq!(
                [
                    descriptor::OFFSET,
                    descriptor::LENGTH,
                    descriptor::INNER,
                    descriptor::HEADERS,
                    descriptor::SIZE,
                    descriptor::STRIDE,
                    descriptor::PORT
                ]
                .map(|at| words[at] as usize),
                [HEADROOM, 8 + headers + 240, 8, headers, 100, 8 + headers + 100, 50_000]
            );
            let ip = &mut buffer[HEADROOM + 8..];
            let train = Train::check(headers + 240, headers, 100, 8 + headers + 100, ip).unwrap();
            for (index, packet) in packets.iter().enumerate() {
                let mut made = vec![0; headers];
                train.write_headers(ip, index, &mut made);
                made.extend_from_slice(&ip[train.piece(index)]);
                // Identifications count up where the sender's did not.
                if !v6 {
                    let mut wanted = packet.clone();
                    wanted[4..6].copy_from_slice(&(index as u16).to_be_bytes());
                    wanted[10..12].fill(0);
                    let check = !crate::checksum::sum(&wanted[..20]) as u16;
                    wanted[10..12].copy_from_slice(&check.to_be_bytes());
                    assert_eq!(made, wanted);
                } else {
                    assert_eq!(&made, packet);
                }
            }
        }
    }

    #[test]
    fn others_stay_alone_with_room_before_them() {
        let mut broken = packet(false, TCP, 100, 100);
        broken[80] ^= 1;
        let mut pushed = packet(false, TCP, 0, 100);
        pushed[33] |= 8;
        for packets in [
            [packet(false, TCP, 0, 100), packet(false, TCP, 300, 100)],
            [packet(false, TCP, 0, 100), broken.clone()],
            [broken, packet(false, TCP, 200, 100)],
            [pushed, packet(false, TCP, 100, 100)],
            [vec![0x10; 100], vec![0x10; 100]],
        ] {
            let (buffer, units) = unpack(&STACK, &packets, Framing::Mpls);
            assert_eq!(units.len(), 2);
            let mut end = 0;
            for (words, packet) in units.iter().zip(&packets) {
                let at = words[descriptor::OFFSET] as usize;
                assert!(at >= end + HEADROOM);
                end = at + words[descriptor::LENGTH] as usize;
                assert_eq!(words[descriptor::HEADERS], 0);
                assert_eq!(buffer[at..end], [&STACK[..], packet].concat());
            }
        }
    }

    #[test]
    fn datagrams_of_equal_size_are_a_train_until_a_shorter_one() {
        let packets = [packet(false, UDP, 0, 100), packet(false, UDP, 5, 100), packet(false, UDP, 9, 100), packet(false, UDP, 9, 7)];
        let (_, units) = unpack(&[0, 1, 1, 64], &packets, Framing::Mpls);
        assert_eq!(units.iter().map(|words| words[descriptor::LENGTH]).collect::<Vec<_>>(), [4 + 28 + 307]);
        let (_, units) = unpack(&[0, 1, 0, 64], &packets[..2], Framing::Mpls);
        assert_eq!(units.len(), 2, "a stack without a bottom says nothing of what is below");
    }

    #[test]
    fn frames_of_vxlan_are_joined_where_their_headers_are_alike() {
        let mut frame = vec![8, 0, 0, 0, 0, 0, 42, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let packets = [packet(false, TCP, 0, 100), packet(false, TCP, 100, 100)];
        assert_eq!(unpack(&frame, &packets, Framing::Vxlan).1.len(), 1);
        frame[21] = 6;
        assert_eq!(unpack(&frame, &packets, Framing::Vxlan).1.len(), 2);
    }

    #[test]
    fn what_finds_no_room_or_descriptor_waits() {
        let packets: Vec<Vec<u8>> = (0..6).map(|k| packet(false, TCP, k * 1000, 100)).collect();
        let (mut buffer, words, room) = message(&STACK, &packets);
        let mut unpacker = Unpacker::default();
        unpacker.push(&words);
        let mut seen = Vec::new();
        while !unpacker.is_empty() {
            let mut descriptors = vec![0; 2 * descriptor::WORDS];
            let count = unpacker.take(&mut buffer, room, HEADROOM, Framing::Mpls, &mut descriptors);
            assert!(count > 0);
            for words in descriptors.chunks_exact(descriptor::WORDS).take(count) {
                let at = words[descriptor::OFFSET] as usize;
                seen.push(buffer[at + 8..at + words[descriptor::LENGTH] as usize].to_vec());
            }
        }
        assert_eq!(seen, packets);
    }

    #[test]
    fn any_octets_are_taken_apart_without_a_fault() {
        let mut state = 7u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        for _ in 0..20_000 {
            let v6 = random() % 2 == 0;
            let mut packets: Vec<Vec<u8>> =
                (0..random() % 4 + 1).map(|k| packet(v6, [TCP, UDP][random() as usize % 2], k * 60, 60)).collect();
            let size = packets.iter().map(Vec::len).max().unwrap();
            for packet in &mut packets {
                packet.resize(size, 0);
                for _ in 0..random() % 3 {
                    let at = random() as usize % packet.len();
                    packet[at] = random() as u8;
                }
            }
            let whole = packets.len() * (size + 8);
            let (_, units) = unpack(&STACK, &packets, if random() % 8 == 0 { Framing::Vxlan } else { Framing::Mpls });
            assert!(units.iter().map(|words| words[descriptor::LENGTH] as usize).sum::<usize>() <= whole);
        }
    }
}
