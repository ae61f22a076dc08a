//! Trains that continue each other, coupled on their way into a device: what a socket got in several messages goes as one segment, which its receiver
//! handles, and acknowledges, once.

use std::{io::IoSlice, ops::Range};

use crate::{
    train::{MAX_PACKET, Train},
    tun::descriptor,
    wagon::Wagon,
};

/// Pieces of payload in one call; a train of more goes packet by packet.
pub const MAX_PIECES: usize = 128;

/// The train of a descriptor, behind `link` octets of a header of the link; `None` when it cannot be.
pub fn train_of(buffer: &[u8], words: &[u32], link: usize) -> Option<Train> {
    let word = |at: usize| words[at] as usize;
    let (ip, length) = (buffer.get(word(descriptor::OFFSET) + link..)?, word(descriptor::LENGTH).checked_sub(link)?);
    Train::check(length, word(descriptor::HEADERS), word(descriptor::SIZE), word(descriptor::STRIDE), ip)
}

/// What goes into a device as one segment.
pub struct Coupled {
    /// Descriptors that it is of.
    pub count: usize,
    /// Its headers are those of the first.
    pub train: Train,
    /// Where its headers lie in the buffer, the link's first.
    headers: Range<usize>,
    /// Where payload lies in the buffer.
    pieces: [Range<usize>; MAX_PIECES],
    used: usize,
}

impl Coupled {
    /// The train of the first descriptor and those behind it, of TCP, that continue it; `None` where that is no train, or of too many pieces.
    pub fn read(buffer: &mut [u8], descriptors: &[u32], link: usize) -> Option<Self> {
        let mut all = descriptors.chunks_exact(descriptor::WORDS);
        let words = all.next()?;
        let (train, frame) = (train_of(buffer, words, link)?, words[descriptor::OFFSET] as usize);
        let start = frame + link;
        let mut coupled = Self { count: 1, train, headers: frame..start + train.headers, pieces: [const { 0..0 }; MAX_PIECES], used: 0 };
        if !coupled.add(start, &train) {
            return None;
        }
        let Some(head) = Wagon::first_of(&train, &buffer[start..]).filter(Wagon::is_tcp) else { return Some(coupled) };
        for words in all {
            let before = &coupled.train;
            // A short or pushed packet is the last of a segment.
            if !before.payload.is_multiple_of(train.size) || head.is_pushed(&buffer[start..]) {
                break;
            }
            let Some((next, wagon, at)) = follower(buffer, words, link) else { break };
            let payload = before.payload + next.payload;
            let continues = head.continues(&buffer[start..], before.packets(), &wagon, &buffer[at..]);
            if !continues || buffer[frame..start] != buffer[at - link..at] || train.headers + payload > MAX_PACKET {
                break;
            }
            let is_sound = words[descriptor::HEADERS] != 0 || wagon.is_sound(&buffer[at..at + next.headers + next.payload]);
            if !is_sound || !coupled.add(at, &next) {
                break;
            }
            if wagon.is_pushed(&buffer[at..]) {
                head.push(&mut buffer[start..]);
            }
            coupled.train.payload = payload;
            coupled.count += 1;
        }
        Some(coupled)
    }

    /// The segment: the header that the device wants, its own, payload; how many vectors.
    pub fn vectors<'a>(&self, header: &'a [u8], buffer: &'a [u8], output: &mut [IoSlice<'a>]) -> usize {
        output[0] = IoSlice::new(header);
        output[1] = IoSlice::new(&buffer[self.headers.clone()]);
        for (vector, piece) in output[2..].iter_mut().zip(&self.pieces[..self.used]) {
            *vector = IoSlice::new(&buffer[piece.clone()]);
        }
        self.used + 2
    }

    fn add(&mut self, start: usize, train: &Train) -> bool {
        let count = if train.stride == train.size { 1 } else { train.packets() };
        let Some(pieces) = self.pieces.get_mut(self.used..self.used + count) else { return false };
        for (index, piece) in pieces.iter_mut().enumerate() {
            let of = if count == 1 { train.headers..train.headers + train.payload } else { train.piece(index) };
            *piece = start + of.start..start + of.end;
        }
        self.used += count;
        true
    }
}

/// What may follow a train, and where its IP header is: another train, or a packet.
fn follower(buffer: &[u8], words: &[u32], link: usize) -> Option<(Train, Wagon, usize)> {
    let at = words[descriptor::OFFSET] as usize + link;
    if words[descriptor::HEADERS] != 0 {
        let train = train_of(buffer, words, link)?;
        return Some((train, Wagon::first_of(&train, &buffer[at..])?, at));
    }
    let length = (words[descriptor::LENGTH] as usize).checked_sub(link)?;
    let wagon = Wagon::read(buffer.get(at..at + length)?)?;
    let size = wagon.payload();
    Some((Train { headers: wagon.headers(), size, stride: size, payload: size }, wagon, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{
        TCP, UDP,
        tests::{packet, push},
    };

    const SIZE: usize = 100;
    /// Header of the link.
    const LINK: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

    /// Payload from `sequence` on, as one train of `SIZE` octets a packet where it is more than that. Returns its octets, and those of its headers.
    fn train(v6: bool, protocol: u8, sequence: u32, payload: usize) -> (Vec<u8>, usize) {
        let first = packet(v6, protocol, sequence, payload.min(SIZE));
        let headers = first.len() - payload.min(SIZE);
        if payload <= SIZE {
            return (first, 0);
        }
        let mut octets = first[..headers].to_vec();
        octets.extend((0..payload).map(|k| (sequence as usize + k) as u8));
        Train { headers, size: SIZE, stride: SIZE, payload }.write_large_headers(&mut octets);
        (octets, headers)
    }

    /// Lays them one behind the other, the last one first, each behind a header of the link and with its descriptor.
    fn lay(trains: &[(Vec<u8>, usize)]) -> (Vec<u8>, Vec<u32>) {
        let (mut buffer, mut words) = (Vec::new(), vec![0; trains.len() * descriptor::WORDS]);
        for (index, (octets, headers)) in trains.iter().enumerate().rev() {
            let words = &mut words[index * descriptor::WORDS..];
            words[descriptor::OFFSET] = buffer.len() as u32;
            words[descriptor::LENGTH] = (LINK.len() + octets.len()) as u32;
            words[descriptor::HEADERS] = *headers as u32;
            words[descriptor::SIZE] = SIZE as u32;
            words[descriptor::STRIDE] = SIZE as u32;
            buffer.extend_from_slice(&LINK);
            buffer.extend_from_slice(octets);
        }
        (buffer, words)
    }

    /// How many are coupled, and the packets of that segment.
    fn couple(trains: &[(Vec<u8>, usize)]) -> (usize, Vec<Vec<u8>>) {
        let (mut buffer, words) = lay(trains);
        let coupled = Coupled::read(&mut buffer, &words, LINK.len()).unwrap();
        coupled.train.write_large_headers(&mut buffer[words[descriptor::OFFSET] as usize + LINK.len()..]);
        let mut vectors = [IoSlice::new(&[]); MAX_PIECES + 2];
        let used = coupled.vectors(&[], &buffer, &mut vectors);
        let frame = vectors[..used].iter().flat_map(|vector| vector.to_vec()).collect::<Vec<u8>>();
        let segment = frame.strip_prefix(&LINK).unwrap();
        let whole = Train { stride: SIZE, ..coupled.train };
        assert_eq!(segment.len(), whole.headers + whole.payload);
        let packets = (0..whole.packets()).map(|index| {
            let mut packet = vec![0; whole.headers];
            whole.write_headers(segment, index, &mut packet);
            packet.extend_from_slice(&segment[whole.piece(index)]);
            packet
        });
        (coupled.count, packets.collect())
    }

    #[test]
    fn what_continues_a_train_goes_with_it() {
        for last in [40, 100, 240] {
            let trains = [train(true, TCP, 0, 300), train(true, TCP, 300, 200), train(true, TCP, 500, last)];
            let (count, packets) = couple(&trains);
            assert_eq!(count, 3);
            let sent = (0..500 + last).step_by(SIZE).map(|at| packet(true, TCP, at as u32, SIZE.min(500 + last - at)));
            assert_eq!(packets, sent.collect::<Vec<_>>());
        }
        assert_eq!(couple(&[train(false, TCP, 0, 200), train(false, TCP, 200, 200)]).0, 2);
    }

    #[test]
    fn the_last_packet_alone_is_pushed() {
        let mut pushed = train(true, TCP, 300, 100);
        push(&mut pushed.0);
        let (count, packets) = couple(&[train(true, TCP, 0, 300), pushed.clone(), train(true, TCP, 400, 200)]);
        assert_eq!(count, 2, "nothing follows what is pushed");
        assert_eq!(packets, [0, 100, 200].map(|at| packet(true, TCP, at, SIZE)).into_iter().chain([pushed.0]).collect::<Vec<_>>());
    }

    #[test]
    fn others_stay_apart() {
        let mut broken = train(true, TCP, 300, 100);
        broken.0[80] ^= 1;
        let mut marked = train(true, TCP, 300, 200);
        marked.0[1] |= 0x30;
        let mut elsewhere = train(true, TCP, 300, 200);
        elsewhere.0[41] ^= 1;
        for (first, next) in [
            (train(true, TCP, 0, 300), train(true, TCP, 400, 200)),
            (train(true, TCP, 0, 240), train(true, TCP, 240, 200)),
            (train(true, TCP, 0, 300), broken),
            (train(true, TCP, 0, 300), marked),
            (train(true, TCP, 0, 300), elsewhere),
            (train(true, UDP, 0, 300), train(true, UDP, 300, 200)),
            (train(true, TCP, 0, 300), train(false, TCP, 300, 200)),
            (train(true, TCP, 0, 65_000), train(true, TCP, 65_000, 1000)),
        ] {
            assert_eq!(couple(&[first, next]).0, 1);
        }
    }

    #[test]
    fn what_is_for_another_neighbour_stays_apart() {
        let (mut buffer, words) = lay(&[train(true, TCP, 0, 300), train(true, TCP, 300, 200)]);
        buffer[words[descriptor::WORDS + descriptor::OFFSET] as usize] ^= 1;
        assert_eq!(Coupled::read(&mut buffer, &words, LINK.len()).unwrap().count, 1);
    }

    #[test]
    fn a_train_of_too_many_pieces_goes_apart() {
        let (octets, headers) = train(true, TCP, 0, 300);
        let (mut buffer, mut words) = lay(&[(octets, headers)]);
        buffer.resize(65_000, 0);
        words[descriptor::SIZE] = 1;
        words[descriptor::STRIDE] = 2;
        assert!(Coupled::read(&mut buffer, &words, LINK.len()).is_none());
    }
}
