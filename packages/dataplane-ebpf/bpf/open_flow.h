// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where a new flow to a virtual address goes, and by what ends it is known there. */
#pragma once

#include "backend.h"
#include "ends.h"

/* Source ports that are chosen from: those that no service has by registration (RFC 6335 §6). */
#define FIRST_PORT 1024
#define PORTS (65536 - FIRST_PORT)

/* The search of a source port. */
struct search {
	__u32 vrf;
	__u32 candidate;
	__u32 tries;
	enum claim result;
};

static __always_inline __u32 scattered(const struct tuple *tuple, __u32 salt)
{
	return salt * 0x9e3779b1 ^ tuple->source[0] ^ tuple->source[3];
}

/* Whether the reply to the target would look as the packet itself does: a backend asks itself from the port that it serves. */
static __always_inline int is_own_reply(const struct tuple *target, const struct tuple *tuple)
{
	return is_same_address(target->destination, tuple->source) && target->destination_port == tuple->source_port &&
	       target->source_port == tuple->destination_port;
}

static long try_port(struct bpf_map *map, __u32 *turn, __u32 *value, struct search *search)
{
	__u32 attempt = *turn;
	struct work *work = current_work();

	if (!work || attempt >= search->tries)
		return 1;
	work->ends.source_port = search->candidate;
	search->candidate = FIRST_PORT + scattered(&work->tuple, work->tuple.source_port + attempt) % PORTS;
	if (is_own_reply(&work->ends, &work->tuple))
		return 0;
	write_nat(work, &work->tuple, work->service.id, search->vrf);
	search->result = claim();
	return search->result != TAKEN;
}

/* Opens a flow of the service in hand from the packet in hand, whose key is the one in hand. GOES_ON or a drop reason. */
__noinline int open_flow(__u32 vrf)
{
	struct search search = { .vrf = vrf, .result = TAKEN };
	struct work *work = current_work();
	struct tuple *target, *tuple;

	if (!work)
		return REASON_NAT_EXHAUSTED;
	if (!choose_backend())
		return REASON_NO_BACKEND;
	target = &work->ends;
	tuple = &work->tuple;
	copy_ends(target, tuple);
	__builtin_memcpy(target->destination, work->backend.address, sizeof(target->destination));
	target->destination_port = work->backend.port;
	if (!work->service.hides && !is_same_address(target->source, target->destination)) {
		write_nat(work, tuple, work->service.id, vrf);
		if (claim() != TAKEN)
			return GOES_ON;
	}
	/* The virtual address becomes the source, so that the reply comes here; its port tells the flows of one backend apart. */
	__builtin_memcpy(target->source, tuple->destination, sizeof(target->source));
	search.candidate = tuple->source_port;
	search.tries = tuple->protocol == PROTOCOL_SCTP ? 1 : TRIES;
	bpf_for_each_map_elem(&turns, try_port, &search, 0);
	return search.result == TAKEN ? REASON_NAT_EXHAUSTED : GOES_ON;
}
