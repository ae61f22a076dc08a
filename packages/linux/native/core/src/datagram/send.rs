//! Sending in batches: equal datagrams to one end, and the packets of a train, are one message that the kernel cuts.

use std::{os::fd::AsRawFd, ptr};

use super::{
    Arena, BATCH, DatagramSocket, HEAD, MAX_PREFIX, MAX_SEGMENTED, MAX_SEGMENTS, Place, descriptor,
    marks::{quad, write_control},
    retry,
};
use crate::{
    control::ControlWriter,
    error::{Error, Result},
    socket_address::SocketAddress,
    train::Train,
};

impl DatagramSocket {
    /// Sends the messages of `count` descriptors from `buffer`; returns how many were dealt with, fewer when the socket's queue is full.
    ///
    /// A message that the kernel refuses has its error number in STATUS and does not stop the others.
    pub fn send(&mut self, buffer: &[u8], descriptors: &mut [u32], count: usize) -> Result<usize> {
        let count = count.min(descriptors.len() / descriptor::WORDS);
        self.check(buffer, descriptors, count)?;
        let mut at = Place::default();
        let mut join = self.settings.gso;
        while at.index < count {
            let (messages, end) = self.prepare(buffer, descriptors, at, count, join);
            let sent = retry(|| {
                // SAFETY: the first `messages` headers point at names, vectors, controls and payload that outlive the call.
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), self.arena.headers.as_mut_ptr(), messages as u32, libc::MSG_DONTWAIT) }
            });
            match sent {
                Ok(sent) => {
                    let sent = sent as usize;
                    let reached = if sent == messages { end } else { self.arena.firsts[sent] };
                    mark(descriptors, at.index, reached.index, 0);
                    at = reached;
                    join = self.settings.gso;
                }
                Err(error) => match error.raw_os_error().unwrap_or(libc::EIO) {
                    libc::EAGAIN => return Ok(at.index),
                    errno => {
                        let reached = if messages > 1 { self.arena.firsts[1] } else { end };
                        let is_train = descriptors[at.index * descriptor::WORDS + descriptor::HEADERS] != 0;
                        if !is_train && reached.index - at.index > 1 {
                            // Datagrams larger than the link's MTU may go in fragments but not joined.
                            join = false;
                            continue;
                        }
                        // What is wrong with some packets of a train is wrong with the rest.
                        let next = if is_train { at.index + 1 } else { reached.index };
                        mark(descriptors, at.index, next, errno as u32);
                        at = Place { index: next, packet: 0 };
                        join = self.settings.gso;
                    }
                },
            }
        }
        Ok(at.index)
    }

    fn check(&self, buffer: &[u8], descriptors: &[u32], count: usize) -> Result<()> {
        let operation = || "send a batch".to_owned();
        for words in descriptors[..count * descriptor::WORDS].chunks_exact(descriptor::WORDS) {
            let end = u64::from(words[descriptor::OFFSET]) + u64::from(words[descriptor::LENGTH]);
            if end > buffer.len() as u64 {
                return Err(Error::invalid(operation(), format!("a message ends at octet {end} of a buffer of {}", buffer.len())));
            }
            if words[descriptor::SEGMENT] != 0 && (self.settings.raw || words[descriptor::SEGMENT] > u32::from(u16::MAX)) {
                return Err(Error::invalid(operation(), format!("a segment of {} octets cannot be", words[descriptor::SEGMENT])));
            }
            if words[descriptor::SEGMENT] != 0 && self.settings.zero_checksum_tx {
                return Err(Error::invalid(operation(), "a socket that sends zero checksums cannot segment"));
            }
            if words[descriptor::HEADERS] != 0 && train_of(buffer, words).is_none() {
                return Err(Error::invalid(operation(), "a train does not lie in the buffer"));
            }
            if words[descriptor::TOS] > 255 || words[descriptor::TTL] > 255 || words[descriptor::PORT] > u32::from(u16::MAX) {
                return Err(Error::invalid(operation(), "TOS, TTL or port of a message is out of range"));
            }
        }
        Ok(())
    }

    /// Fills message headers from `start` on; returns how many, and the first place that did not fit.
    fn prepare(&mut self, buffer: &[u8], descriptors: &[u32], start: Place, count: usize, join: bool) -> (usize, Place) {
        let Arena { headers, vectors, names, controls, firsts, heads } = &mut *self.arena;
        let (mut messages, mut used, mut at) = (0, 0, start);
        while at.index < count && messages < BATCH && used < vectors.len() {
            let words = &descriptors[at.index * descriptor::WORDS..(at.index + 1) * descriptor::WORDS];
            let rest = &descriptors[at.index * descriptor::WORDS..count * descriptor::WORDS];
            let room = &mut vectors[used..];
            let next;
            let (taken, segment) = if words[descriptor::HEADERS] != 0 {
                let Some((train, prefix)) = train_of(buffer, words) else { break };
                let most = if self.settings.gso { MAX_SEGMENTS } else { 1 };
                let packets = prepare_train(buffer, words, &train, prefix, at.packet, most, room, &mut heads[used / 2 * HEAD..]);
                if packets == 0 {
                    break;
                }
                let packet = at.packet + packets;
                next = if packet == train.packets() { Place { index: at.index + 1, packet: 0 } } else { Place { packet, ..at } };
                (packets * 2, if packets > 1 { (prefix + train.headers + train.size) as u32 } else { 0 })
            } else {
                let run = if join { run_length(rest, room.len()) } else { 1 };
                for (vector, words) in room.iter_mut().zip(rest.chunks_exact(descriptor::WORDS)).take(run) {
                    let (offset, length) = (words[descriptor::OFFSET] as usize, words[descriptor::LENGTH] as usize);
                    *vector = slice(&buffer[offset..offset + length]);
                }
                next = Place { index: at.index + run, packet: 0 };
                (run, if run > 1 { words[descriptor::LENGTH] } else { words[descriptor::SEGMENT] })
            };
            let mut control = ControlWriter::new(&mut controls[messages]);
            write_control(&mut control, self.settings.v6, self.settings.tos, words, segment);
            let control_length = control.length();
            names[messages] = SocketAddress::new(
                self.settings.v6,
                quad(words, descriptor::REMOTE),
                words[descriptor::PORT] as u16,
                words[descriptor::LINK],
            );
            let header = &mut headers[messages].msg_hdr;
            let named = !self.settings.connected || words[descriptor::REMOTE..descriptor::REMOTE + 4] != [0; 4];
            header.msg_name = if named { ptr::from_mut(&mut names[messages]).cast() } else { ptr::null_mut() };
            header.msg_namelen = if named { SocketAddress::size(self.settings.v6) } else { 0 };
            header.msg_iov = &raw mut vectors[used];
            header.msg_iovlen = taken as _;
            header.msg_control = if control_length > 0 { controls[messages].0.as_mut_ptr().cast() } else { ptr::null_mut() };
            header.msg_controllen = control_length as _;
            header.msg_flags = 0;
            firsts[messages] = at;
            messages += 1;
            // Heads of trains are found by the number of their first vector.
            used = (used + taken).next_multiple_of(2);
            at = next;
        }
        (messages, at)
    }
}

/// The train of a descriptor, and the octets of the tunnel header before it; `None` when they cannot be.
fn train_of(buffer: &[u8], words: &[u32]) -> Option<(Train, usize)> {
    let word = |at: usize| words[at] as usize;
    let prefix = word(descriptor::INNER);
    let ip = buffer.get(word(descriptor::OFFSET) + prefix..)?;
    let length = word(descriptor::LENGTH).checked_sub(prefix)?;
    let train = Train::check(length, word(descriptor::HEADERS), word(descriptor::SIZE), word(descriptor::STRIDE), ip)?;
    (prefix <= MAX_PREFIX).then_some((train, prefix))
}

/// Points vectors at packets of a train from `first` on, heads made in `heads`; returns how many packets one message takes.
#[expect(clippy::too_many_arguments, reason = "one step of the loop above, split off for its length")]
fn prepare_train(
    buffer: &[u8],
    words: &[u32],
    train: &Train,
    prefix: usize,
    first: usize,
    most: usize,
    vectors: &mut [libc::iovec],
    heads: &mut [u8],
) -> usize {
    let start = words[descriptor::OFFSET] as usize;
    let (tunnel, ip) = (&buffer[start..start + prefix], &buffer[start + prefix..]);
    let whole = prefix + train.headers + train.size;
    let packets = (train.packets() - first).min(most).min((MAX_SEGMENTED / whole).max(1)).min(vectors.len() / 2);
    for (k, head) in heads.chunks_exact_mut(HEAD).take(packets).enumerate() {
        let head = &mut head[..prefix + train.headers];
        head[..prefix].copy_from_slice(tunnel);
        train.write_headers(ip, first + k, &mut head[prefix..]);
        vectors[k * 2] = slice(head);
        vectors[k * 2 + 1] = slice(&ip[train.piece(first + k)]);
    }
    packets
}

fn slice(octets: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() }
}

/// How many descriptors from the first on can be one segmented message: same ends and marks, equal lengths, only the last shorter.
fn run_length(descriptors: &[u32], room: usize) -> usize {
    use descriptor::{LENGTH, OFFSET, SEGMENT, STATUS, WORDS};
    let first = &descriptors[..WORDS];
    let size = first[LENGTH];
    if first[SEGMENT] != 0 || size == 0 {
        return 1;
    }
    let mut total = size as usize;
    let mut run = 1;
    for words in descriptors.chunks_exact(WORDS).skip(1) {
        let length = words[LENGTH];
        let same = words.iter().zip(first).enumerate().all(|(k, (a, b))| matches!(k, OFFSET | LENGTH | STATUS) || a == b);
        if !same || length == 0 || length > size || run == MAX_SEGMENTS.min(room) || total + length as usize > MAX_SEGMENTED {
            break;
        }
        total += length as usize;
        run += 1;
        if length < size {
            break;
        }
    }
    run
}

fn mark(descriptors: &mut [u32], from: usize, to: usize, status: u32) {
    for k in from..to {
        descriptors[k * descriptor::WORDS + descriptor::STATUS] = status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, port: u32) -> [u32; descriptor::WORDS] {
        let mut words = [0; descriptor::WORDS];
        words[descriptor::LENGTH] = length;
        words[descriptor::PORT] = port;
        words
    }

    #[test]
    fn joins_equal_lengths_to_one_end() {
        let run = |messages: &[[u32; descriptor::WORDS]]| run_length(&messages.concat(), 512);
        assert_eq!(run(&[message(100, 1), message(100, 1), message(100, 2)]), 2);
        assert_eq!(run(&[message(100, 1), message(50, 1), message(50, 1)]), 2);
        assert_eq!(run(&[message(50, 1), message(100, 1)]), 1);
        assert_eq!(run(&[message(0, 1), message(0, 1)]), 1);
        assert_eq!(run(&[message(1, 1); 100]), MAX_SEGMENTS);
        assert_eq!(run(&[message(9000, 1); 10]), 7);
        assert_eq!(run_length(&[message(10, 1); 10].concat(), 3), 3);
    }
}
