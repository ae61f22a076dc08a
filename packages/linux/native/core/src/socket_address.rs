//! Socket addresses as four words of the address and a port, and as the kernel's `sockaddr`.

use std::{
    mem::size_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// `sockaddr_in` or `sockaddr_in6`, as `msg_name` of a message.
#[derive(Clone, Copy)]
#[repr(C)]
pub union SocketAddress {
    pub v4: libc::sockaddr_in,
    pub v6: libc::sockaddr_in6,
}

/// An address as descriptors carry it: IPv4 in the first word, IPv6 in four, most significant first.
pub type Words = [u32; 4];

pub fn ip_from_words(v6: bool, words: Words) -> IpAddr {
    if v6 { IpAddr::V6(v6_from_words(words)) } else { IpAddr::V4(Ipv4Addr::from(words[0])) }
}

pub fn v6_from_words(words: Words) -> Ipv6Addr {
    let bits = words.iter().fold(0u128, |bits, word| bits << 32 | u128::from(*word));
    Ipv6Addr::from(bits)
}

pub fn words_from_ip(address: IpAddr) -> Words {
    match address {
        IpAddr::V4(address) => [u32::from(address), 0, 0, 0],
        IpAddr::V6(address) => words_from_octets(address.octets()),
    }
}

pub fn words_from_octets(octets: [u8; 16]) -> Words {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(octets.chunks_exact(4)) {
        *word = u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    words
}

impl SocketAddress {
    pub fn new(v6: bool, words: Words, port: u16, scope: u32) -> Self {
        if v6 {
            Self {
                v6: libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: port.to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: v6_from_words(words).octets() },
                    sin6_scope_id: scope,
                },
            }
        } else {
            Self {
                v4: libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: port.to_be(),
                    sin_addr: libc::in_addr { s_addr: words[0].to_be() },
                    sin_zero: [0; 8],
                },
            }
        }
    }

    pub fn zeroed() -> Self {
        Self::new(true, [0; 4], 0, 0)
    }

    pub fn size(v6: bool) -> libc::socklen_t {
        (if v6 { size_of::<libc::sockaddr_in6>() } else { size_of::<libc::sockaddr_in>() }) as libc::socklen_t
    }

    /// Address words and port, for a socket of the family `v6` says.
    pub fn read(&self, v6: bool) -> (Words, u16) {
        // SAFETY: both members are plain octets, any content is valid; `v6` says which one the kernel filled.
        unsafe {
            if v6 {
                (words_from_octets(self.v6.sin6_addr.s6_addr), u16::from_be(self.v6.sin6_port))
            } else {
                ([u32::from_be(self.v4.sin_addr.s_addr), 0, 0, 0], u16::from_be(self.v4.sin_port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_both_ways() {
        for text in ["192.0.2.1", "2001:db8:1:2:3:4:5:6", "::"] {
            let ip: IpAddr = text.parse().unwrap();
            let words = words_from_ip(ip);
            assert_eq!(ip_from_words(ip.is_ipv6(), words), ip);
            assert_eq!(SocketAddress::new(ip.is_ipv6(), words, 6635, 0).read(ip.is_ipv6()), (words, 6635));
        }
    }
}
