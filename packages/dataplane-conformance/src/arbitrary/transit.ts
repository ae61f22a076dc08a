import type { NextHopObject } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { labelled } from '../packets.js'
import type { Tables } from '../tables.js'
import { arbitraryEntry, arbitraryPacket, arbitraryUnderlayInput, type PacketInput } from './packets.js'
import { arbitraryTunnel, LABELS, type Surroundings } from './tables.js'

/** The same objects, with every label swapped, pushed upon or popped above others on the way into a tunnel, whichever router sends it. */
export function transiting(tables: Tables, around: Surroundings): fc.Arbitrary<Tables> {
  const prefixes = around.underlays.flatMap(({ peers }) => peers.map((peer) => IpPrefix.of(peer)))
  return fc
    .tuple(...tables.nextHops.map(({ id }) => arbitraryTunnel(byLabel(around)).map((action): NextHopObject => ({ id, action }))))
    .map((nextHops): Tables => ({
      ...tables,
      nextHops,
      tunnelSources: tables.tunnelSources.map(({ id }) => ({ id, prefixes })),
      labels: LABELS.map((label, index) => ({ label, action: { type: 'swap', nextHop: nextHops[index].id }, sources: 0 })),
    }))
}

/** Draws a labelled packet for tables of `transiting`; at times it ends within the stack, or within an entry. */
export function arbitraryTransit(around: Surroundings): fc.Arbitrary<PacketInput> {
  const stack = fc.tuple(arbitraryEntry(LABELS), fc.array(arbitraryEntry([...LABELS, 0, 2]), { maxLength: 2 }))
  const whole = fc.tuple(stack, arbitraryPacket()).map(([[top, below], packet]) => labelled([top, ...below], packet))
  const ended = fc
    .tuple(arbitraryEntry(LABELS), arbitraryEntry(LABELS), fc.nat(5))
    .map(([top, below, left]) => labelled([top, below], Uint8Array.of()).slice(0, 4 + left))
  return arbitraryUnderlayInput(byLabel(around), fc.oneof({ weight: 4, arbitrary: whole }, { weight: 1, arbitrary: ended }))
}

function byLabel(around: Surroundings): Surroundings {
  return { ...around, encapsulations: around.encapsulations.filter((encapsulation) => encapsulation !== 'vxlan') }
}
