import { Struct } from '../struct.js'

/* Structures of rate limits: `bpf/layout/rate.h`. */

/** Bit of a port's `limits`, behind those of the directions. */
export const LIMITS_SAID = 4

export const RATE_KEY = new Struct('rate_key', { port: 'u32', direction: 'u32' })

export const RATE = new Struct('rate', { time: 'u64', bits_per_second: 'u64', burst: 'u64', burst_octets: 'u32', reserved: 'u32' })
