import { Struct } from '../struct.js'

/* Structures of counters: `bpf/layout/counters.h`. */

export const OBJECT_COUNTERS = new Struct('object_counters', { packets: 'u64', octets: 'u64' })

/** Slots of a block of counters. */
export const COUNTS = 1024

export const COUNTED = new Struct('counted', { slot: 'u32', reserved: 'u32', before: [OBJECT_COUNTERS, 3] })
