// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the rules of a policy say of a flow. */
#pragma once

#include "tuple.h"

#define MAX_ATOMS 4096
#define ATOMS_AT_ONCE 64

static __always_inline int is_covered(const struct prefix *prefix, __u32 family, const __u32 *words)
{
	if (prefix->family != family)
		return 0;
	return (((words[0] ^ prefix->address[0]) & prefix->mask[0]) | ((words[1] ^ prefix->address[1]) & prefix->mask[1]) |
		((words[2] ^ prefix->address[2]) & prefix->mask[2]) | ((words[3] ^ prefix->address[3]) & prefix->mask[3])) == 0;
}

static __always_inline int is_within(const struct atom *atom, __u32 value)
{
	return value >= atom->first && value <= atom->second;
}

/* Whether an alternative fits the flow; a function that the verifier looks at by itself, as in extension.h. */
__noinline int fits(struct atom *atom, struct tuple *tuple, int is_out)
{
	int has_ports;

	if (!atom || !tuple)
		return 0;
	has_ports = tuple->kind == TUPLE_FLOW && tuple->icmp_type == NONE;
	switch (atom->kind) {
	case ATOM_PEER:
		return is_covered(&atom->prefix, tuple->family, is_out ? tuple->destination : tuple->source);
	case ATOM_LOCAL:
		return is_covered(&atom->prefix, tuple->family, is_out ? tuple->source : tuple->destination);
	case ATOM_PORTS:
		return has_ports && is_within(atom, tuple->destination_port);
	case ATOM_SOURCE_PORTS:
		return has_ports && is_within(atom, tuple->source_port);
	case ATOM_ICMP:
		return atom->first == tuple->icmp_type && (atom->second == NONE || atom->second == tuple->icmp_code);
	default:
		return 0;
	}
}

/* How far the atoms of a policy have been looked at. */
struct judgement {
	__u32 next;
	__u32 has_rule;
	__u32 verdict;
	__u32 mirror;
	/* Rules that were begun. */
	__u32 rules;
	/* Of the rule in hand, kinds of conditions none of whose alternatives has fitted yet. */
	__u32 missing;
	__u32 is_over;
};

/* Looks at the next few atoms: all of them in one loop would be more branches than the verifier keeps in mind. */
__noinline int judge_some(struct port_policy *policy, struct tuple *tuple, struct judgement *judgement, int is_out)
{
	if (!policy || !tuple || !judgement)
		return 0;
	for (int looked = 0; looked < ATOMS_AT_ONCE; looked++) {
		__u32 place = policy->atom + judgement->next, bit;
		struct atom *atom = bpf_map_lookup_elem(&atoms, &place);

		if (!atom || judgement->next >= policy->atom_count || (atom->kind == ATOM_RULE && judgement->has_rule && !judgement->missing)) {
			judgement->is_over = 1;
			break;
		}
		judgement->next++;
		bit = 1U << (atom->kind & 31);
		if (atom->kind == ATOM_RULE) {
			judgement->has_rule = 1;
			judgement->verdict = atom->first;
			judgement->mirror = atom->mirror;
			judgement->rules++;
			/* A bit that no alternative has stands for a protocol that is another. */
			judgement->missing = atom->conditions | (atom->second != NONE && atom->second != tuple->protocol ? 1 : 0);
		} else if ((judgement->missing & bit) && fits(atom, tuple, is_out)) {
			judgement->missing &= ~bit;
		}
	}
	return 0;
}

/*
 * Whether the policy lets the flow of `tuple` be opened: the first rule that fits counts, and the default where none does. The mirror that the rule names
 * is that of the packet in hand then.
 */
__noinline int allows(struct port_policy *policy, struct tuple *tuple, int is_out)
{
	struct work *work = current_work();
	struct judgement judgement = {};

	if (!policy || !tuple || !work)
		return 0;
	work->mirror = 0;
	work->judge = JUDGED_UNFILTERED;
	if (!policy->is_there)
		return 1;
	for (int turn = 0; turn <= MAX_ATOMS / ATOMS_AT_ONCE && !judgement.is_over; turn++)
		judge_some(policy, tuple, &judgement, is_out);
	work->judge = JUDGED_BY_DEFAULT;
	if (!judgement.has_rule || judgement.missing)
		return policy->allows;
	work->mirror = judgement.mirror;
	work->judge = judgement.rules - 1;
	return judgement.verdict;
}
