import { Struct } from '../struct.js'

/* Structures of what BFD watches: `bpf/layout/liveness.h`. */

/** Bits of `flags`: several hops, and packets leave and come in by the uplink alone, as those of tunnels do. */
export const WATCH_FLAGS = { multihop: 1, uplink: 2 } as const

export const WATCH = new Struct('watch', {
  family: 'u32',
  flags: 'u32',
  local: ['u32', 4],
  remote: ['u32', 4],
  desired_min_tx: 'u32',
  required_min_rx: 'u32',
  multiplier: 'u32',
})

export const LIVENESS = new Struct('liveness', {
  is_down: 'u32',
  is_known: 'u32',
  downs: 'u32',
  state: 'u32',
  diagnostic: 'u32',
  remote_state: 'u32',
  discriminator: 'u32',
  remote_discriminator: 'u32',
  remote_min_rx: 'u32',
  remote_desired_min_tx: 'u32',
  remote_multiplier: 'u32',
  remote_demand: 'u32',
  polling: 'u32',
  active_min_tx: 'u32',
  active_min_rx: 'u32',
})
