//! Words of a message's descriptor. Addresses are host-order numbers: IPv4 in the first of four words, IPv6 in all.

/// Words of a descriptor.
pub const WORDS: usize = 20;
/// Octets from the start of the buffer to the payload.
pub const OFFSET: usize = 0;
/// Octets of payload.
pub const LENGTH: usize = 1;
/// Octets of each datagram when the payload is several of them (the last may be shorter), else 0.
pub const SEGMENT: usize = 2;
/// Written by both directions: 0, or the error number of this message; EMSGSIZE for a datagram cut off by its slot.
pub const STATUS: usize = 3;
/// The other end, four words.
pub const REMOTE: usize = 4;
/// Port of the other end; 0 for raw protocols.
pub const PORT: usize = 8;
/// TOS or traffic class octet.
pub const TOS: usize = 9;
/// TTL or hop limit; 0 when sending means the socket's.
pub const TTL: usize = 10;
/// Our address, four words; zero when sending lets the kernel choose.
pub const LOCAL: usize = 11;
/// Index of the link it came by, or is to leave by; 0 lets the kernel choose.
pub const LINK: usize = 15;
/// Octets from the payload's start to the IP packet within, where [`super::unpack`] has looked for one.
pub const INNER: usize = 16;
/// Octets of the headers of a train within (IP and transport); 0 when the payload is no train.
pub const HEADERS: usize = 17;
/// Octets of inner payload in each packet of the train but the last.
pub const SIZE: usize = 18;
/// Octets from one piece of the train's payload to the next.
pub const STRIDE: usize = 19;
