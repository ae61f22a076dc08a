//! The Internet checksum (RFC 1071) over long payload: the one pass over every octet that no kernel does for us.

/// Ones' complement sum of `bytes` as 16-bit words in network order, folded to 16 bits; a last odd octet is the high one of its word.
pub fn sum(bytes: &[u8]) -> u32 {
    // Summed as the machine reads words; the order of octets does not matter to ones' complement but for a swap at the end (RFC 1071 §2.B).
    u32::from((fold(native_sum(bytes)) as u16).to_be())
}

/// Folds carries back in until 16 bits are left.
pub fn fold(mut total: u64) -> u32 {
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

fn native_sum(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= 128 && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2_sum(bytes) };
    }
    plain_sum(bytes)
}

/// The same loop as `plain_sum`, compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2_sum(bytes: &[u8]) -> u64 {
    words_sum(bytes)
}

fn plain_sum(bytes: &[u8]) -> u64 {
    words_sum(bytes)
}

/// Eight sums side by side, so that the compiler makes vectors of them.
#[inline(always)]
fn words_sum(bytes: &[u8]) -> u64 {
    let mut lanes = [0u64; 8];
    let chunks = bytes.chunks_exact(32);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(4)) {
            *lane += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
    let mut total = lanes.iter().sum::<u64>();
    let pairs = rest.chunks_exact(2);
    if let [last] = pairs.remainder() {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total + pairs.map(|pair| u64::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(bytes: &[u8]) -> u32 {
        fold(bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0))).sum())
    }

    #[test]
    fn agrees_with_the_definition_at_every_length() {
        let bytes: Vec<u8> = (0..1500u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for length in (0..200).chain([1023, 1024, 1499, 1500]) {
            for start in [0, 1, 3] {
                if start + length <= bytes.len() {
                    assert_eq!(sum(&bytes[start..start + length]), naive(&bytes[start..start + length]), "{length} octets from {start}");
                }
            }
        }
        assert_eq!(sum(&[0xff; 65_535]), naive(&[0xff; 65_535]));
    }
}
