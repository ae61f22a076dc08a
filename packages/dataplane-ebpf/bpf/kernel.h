// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Constants of the kernel's interface that older headers lack, and of the protocols. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Verdicts of tcx. */
#define VERDICT_NEXT (-1)
#define VERDICT_DROP 2
#define TC_ACT_REDIRECT 7

/*
 * Changes of maps. Until Linux 6.4 what they return has 32 bits and no sign above them: compared as the 64 that the kernel's headers declare, no error is
 * below 0, and two flows were given one port.
 */
static __always_inline int map_update(void *map, const void *key, const void *value, __u64 flags)
{
	return (int)bpf_map_update_elem(map, key, value, flags);
}

static __always_inline int map_delete(void *map, const void *key)
{
	return (int)bpf_map_delete_elem(map, key);
}

#pragma GCC poison bpf_map_update_elem bpf_map_delete_elem

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif

/* EINVAL. */
#define INVALID (-22)
/* EALREADY: the packet is marked as encapsulated already. */
#define ALREADY (-114)

#define ETHERNET 14
#define IPV4_HEADER 20
#define IPV6_HEADER 40
/* What every link takes that carries IPv6 (RFC 8200 §5), so that no sender makes packets smaller (RFC 8201 §4). */
#define LEAST_MTU_IPV6 1280
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define LABEL_ENTRY 4
#define VXLAN_HEADER 8

#define HOP_BY_HOP 0
#define JUMBO_HEADER 8
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_GRE 47
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_SCTP 132

#define MPLS_UDP_PORT 6635
#define MPLS_UDP_LEGACY_PORT 51234
#define VXLAN_PORT 4789
#define GRE_MPLS 0x8847

/* A joint label's entry, without the TTL that tells what is behind the next one; and how many such TTLs there are (ADR 0025). */
#define JOINT_ENTRY 0x0c000000
#define JOINT_TTLS 3

/* Of a branch that nearly every packet takes: its instructions stand one behind the other. */
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Keeps the compiler from using what it knows of a value, so that the verifier sees the check that follows. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

/*
 * A count of 1 to `most`, a power of two, in a way that every verifier follows: older ones learn nothing of a comparison with zero, nor of two bounds that a
 * compiler made one of.
 */
#define COUNT_WITHIN(value, most)                                                                                                            \
	({                                                                                                                                   \
		__u64 less_ = (__u64)(value) - 1;                                                                                            \
		OPAQUE(less_);                                                                                                               \
		(less_ & ((most) - 1)) + 1;                                                                                                  \
	})

/*
 * Fields of headers, read and written by one instruction each. On the stack they have to lie at multiples of their size, which is what `ALIGNED` is for;
 * in packets and maps they may lie anywhere.
 */
#define ALIGNED __attribute__((aligned(8)))

typedef __u16 __attribute__((may_alias)) half;
typedef __u32 __attribute__((may_alias)) word;

static __always_inline __u32 word_at(const __u8 *octets)
{
	return bpf_ntohl(*(const word *)octets);
}

static __always_inline __u32 half_at(const __u8 *octets)
{
	return bpf_ntohs(*(const half *)octets);
}

static __always_inline void put_half(__u8 *octets, __u32 value)
{
	*(half *)octets = bpf_htons(value);
}

static __always_inline void put_word(__u8 *octets, __u32 value)
{
	*(word *)octets = bpf_htonl(value);
}

/* Octets of a joint label, if the first word of a label stack over UDP is one; 0 if not. Without a branch, which the verifier would have to follow twice. */
static __always_inline __u32 joint_size(__u32 word)
{
	__u64 above = (__u64)(__u32)(word - JOINT_ENTRY) - JOINT_TTLS;

	OPAQUE(above);
	return above >> 63 << 2;
}

/*
 * Copies by words what may lie anywhere: of octets of unknown alignment the compiler would copy each for itself. `size`: a multiple of four that the compiler knows
 */
static __always_inline void copy_words(__u8 *to, const __u8 *from, __u32 size)
{
#pragma unroll
	for (__u32 at = 0; at < size; at += 4)
		*(word *)(to + at) = *(const word *)(from + at);
}

static __always_inline __u32 folded(__u64 sum)
{
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + ((sum >> 32) & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/*
 * One's complement sum of 16-bit words, in the order of the octets as the machine reads them: whether it is zero, or what is written back of it, does not
 * depend on that order (RFC 1071 §2 B). `size`: a multiple of four that the compiler knows
 */
static __always_inline __u32 raw_sum(const __u8 *octets, __u32 size)
{
	__u64 sum = 0;

#pragma unroll
	for (__u32 at = 0; at < size; at += 4)
		sum += *(const word *)(octets + at);
	return folded(sum);
}
