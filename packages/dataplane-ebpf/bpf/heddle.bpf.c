// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All programs as one object, so that they share their maps. */
#include "across.bpf.c"
#include "egress.bpf.c"
#include "ingress.bpf.c"
#include "lookup.bpf.c"
#include "sweep.bpf.c"

/* Some helpers are offered to programs under the GPL only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
