// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which backend a new flow of a service comes to: weighted rendezvous hashing over those that are ready, by the same draws as the TypeScript forwarder,
 * so that routers of both kinds choose alike; with affinity, the backend that the client came to before.
 */
#pragma once

#include "nat_table.h"

#define MAX_BACKENDS MAX_TURNS

/* What all draws for a flow begin with. `port`: of the client, 0 where all its flows draw alike */
static __always_inline __u32 draw_key(const struct tuple *tuple, __u32 port)
{
	__u32 hash = (port ^ tuple->protocol << 16) * 0x9e3779b1;

#pragma unroll
	for (int word = 0; word < 4; word++)
		hash = (hash ^ tuple->source[word] ^ hash >> 15) * 0x85ebca6b;
	return hash ^ hash >> 13;
}

/* What a backend draws depends on nothing but the flow and itself. */
static __always_inline __u32 draw_of(__u32 key, const struct backend *backend)
{
	const __u32 *address = backend->address;
	__u32 hash = key * 0x9e3779b1;

	hash = (hash ^ address[0] ^ hash >> 15) * 0x85ebca6b;
	hash = (hash ^ address[1] ^ address[2] << 1 ^ hash >> 13) * 0xc2b2ae35;
	hash = (hash ^ address[3] ^ backend->port * 0x27d4eb2f ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* -log2((draw + 1) / (2^32 + 1)), in units of 2^-32: exact to some 2^-30. */
__noinline __u64 log_of(__u32 draw)
{
	__u64 value = (__u64)draw + 1, bits = 0, whole = 31;

	if (value >> 32)
		return 1;
#pragma unroll
	for (int step = 16; step > 0; step >>= 1) {
		if (value >> (32 - step) == 0) {
			value <<= step;
			whole -= step;
		}
	}
	/* A square has twice the logarithm: whether it reaches two is the next bit. */
	for (int bit = 0; bit < 32; bit++) {
		__u64 carry;

		value = value * value >> 31;
		carry = value >> 32;
		value >>= carry;
		bits = bits << 1 | carry;
	}
	return (32ULL << 32) + 1 - (whole << 32 | bits);
}

/* Whether log / weight is less than other / other_weight, in 96 bits. */
static __always_inline int scores_more(__u64 log, __u32 weight, __u64 other, __u32 other_weight)
{
	__u64 low = (log & 0xffffffff) * other_weight, other_low = (other & 0xffffffff) * weight;
	__u64 high = (log >> 32) * other_weight + (low >> 32), other_high = (other >> 32) * weight + (other_low >> 32);

	return high != other_high ? high < other_high : (low & 0xffffffff) < (other_low & 0xffffffff);
}

static __always_inline int is_backend(const struct backend *backend, const __u32 *address, __u32 port)
{
	return backend->port == port && backend->address[0] == address[0] && backend->address[1] == address[1] &&
	       backend->address[2] == address[2] && backend->address[3] == address[3];
}

static long draw_backend(struct bpf_map *map, __u32 *turn, __u32 *value, void *context)
{
	struct work *work = current_work();
	struct drawing *drawing;
	struct backend *backend;
	__u32 place, drawn;
	int takes;

	if (!work || *turn >= work->service.backend_count)
		return 1;
	drawing = &work->drawing;
	place = drawing->first + *turn;
	backend = bpf_map_lookup_elem(&backends, &place);
	if (!backend)
		return 1;
	takes = backend->weight != 0 && backend->state != BACKEND_DRAINING;
	if (drawing->came_before && !drawing->is_found && is_backend(backend, drawing->address, drawing->port)) {
		drawing->is_found = 1;
		drawing->again = takes ? place : NONE;
	}
	if (!takes)
		return 0;
	drawn = draw_of(drawing->key, backend);
	if (drawing->is_even) {
		if (drawing->best != NONE && drawn <= drawing->drawn)
			return 0;
	} else {
		__u64 log = log_of(drawn);

		if (drawing->best != NONE && !scores_more(log, backend->weight, drawing->log, drawing->weight))
			return 0;
		drawing->log = log;
	}
	drawing->best = place;
	drawing->weight = backend->weight;
	drawing->drawn = drawn;
	return 0;
}

/* Looks up where the client of the packet in hand came to before, if the service in hand wants to know. */
static __always_inline void recall(struct work *work)
{
	struct affinity_key *client = &work->client;
	struct affinity *before;

	work->drawing.came_before = work->drawing.is_found = 0;
	if (!work->service.affinity)
		return;
	client->service = work->service.id;
	client->family = work->tuple.family;
	__builtin_memcpy(client->client, work->tuple.source, sizeof(client->client));
	before = bpf_map_lookup_elem(&affinities, client);
	if (!before || is_over(before->seen, before->lifetime))
		return;
	work->drawing.came_before = 1;
	work->drawing.port = before->port;
	__builtin_memcpy(work->drawing.address, before->address, sizeof(work->drawing.address));
}

/* Finds the backend of a new flow of the service in hand; 0 when none takes flows. */
__noinline int choose_backend(void)
{
	struct work *work = current_work();
	struct drawing *drawing;
	struct service *service;
	struct backend *backend;
	__u32 place;

	if (!work)
		return 0;
	drawing = &work->drawing;
	service = &work->service;
	recall(work);
	drawing->best = drawing->again = NONE;
	drawing->first = service->backend;
	drawing->is_even = service->is_even;
	drawing->key = draw_key(&work->tuple, service->affinity ? 0 : work->tuple.source_port) ^ service->seed;
	bpf_for_each_map_elem(&turns, draw_backend, 0, 0);
	place = drawing->again != NONE ? drawing->again : drawing->best;
	backend = bpf_map_lookup_elem(&backends, &place);
	if (!backend)
		return 0;
	__builtin_memcpy(&work->backend, backend, sizeof(*backend));
	if (!service->affinity)
		return 1;
	work->affinity.seen = milliseconds();
	work->affinity.lifetime = service->affinity;
	work->affinity.port = backend->port;
	__builtin_memcpy(work->affinity.address, backend->address, sizeof(work->affinity.address));
	map_update(&affinities, &work->client, &work->affinity, BPF_ANY);
	return 1;
}
