import { Struct } from '../struct.js'

/* Structures of the whole router: `bpf/layout/config.h`. */

/** Changes with every change of the layouts: pinned maps of another version are not adopted. */
export const LAYOUT_VERSION = 18

/** Slots of drop reasons, with room for those to come. */
export const MAX_REASONS = 64
/** Slot of segments that were lost because the kernel had merged them in VXLAN; that of no reason. */
export const DROPPED_JOINED = MAX_REASONS - 1
/** The same of segments that it had merged behind joint labels. */
export const DROPPED_JOINED_LABELS = MAX_REASONS - 2

/** Bits of `avoided`: what programs do without. */
export const AVOIDED = { 'decap-l3': 1, 'redirect-peer': 2, 'local-redirect-peer': 4, 'xdp-tx': 8, joined: 16 } as const

/** Beside the bits of `encapsulations`, one a slot: there are VNIs. Without one, programs leave VXLAN that comes in to the host. */
export const HAS_VNIS = 0x8000_0000

export const CONFIG = new Struct('config', {
  layout_version: 'u32',
  uplink: 'u32',
  generation: 'u64',
  underlay_mtu: 'u32',
  uplink_mtu: 'u32',
  encapsulations: 'u32',
  avoided: 'u32',
  translates: 'u32',
  epoch: 'u32',
  observes: 'u32',
  place_shift: 'u32',
  policy_version: 'u32',
  nat_version: 'u32',
  down: 'u32',
  watch_version: 'u32',
  liveness_version: 'u32',
  keeper_order: 'u32',
  keeper_version: 'u32',
  reserved: 'u32',
})
