import { Struct } from '../struct.js'

/* Structures of addresses: `bpf/layout/address.h`. */

/** No VRF, no VNI. */
export const NONE = 0xffff_ffff

export const PREFIX = new Struct('prefix', { family: 'u32', length: 'u32', address: ['u32', 4], mask: ['u32', 4] })

export const CHECKED = new Struct('checked', { key: 'u32', value: 'u32', sum: 'u32' })
