import { REASON, type Context } from '../context.js'
import { Tuple } from '../flow/tuple.js'
import { wordsText } from '../text.js'
import { POOL_ZONE } from './pool-table.js'
import { rewriteEnds } from './rewrite.js'

/** What translation returns for a packet that may go on; everything else is a slot in `DROP_REASONS`. */
export const TRANSLATED = -1

/** Source ports that are tried for a flow before it is given up. */
export const TRIES = 128

/** The ends that the packet in hand gets: one for all steps of translation, overwritten by each packet. */
export const target = new Tuple()

/** What comes back to a pool; policies outside know its flow by the pool's address, both ways. */
export function isPools(service: number): boolean {
  return service >= POOL_ZONE
}

/**
 * What comes back to a pool goes on in the VRF that the pool hides. Another thread may not know yet that the pool is gone, and open flows through it: outside, the
 * address that it hides may be another machine's.
 *
 * @returns `TRANSLATED` or the slot of a drop reason
 */
export function enterInside(context: Context, service: number, isOpening: boolean): number {
  if (isOpening || !isPools(service)) return TRANSLATED
  const pool = context.tables.natPools.get(service - POOL_ZONE)
  if (pool === undefined) return REASON['nat-exhausted']
  context.insideVrf = pool.vrf
  return TRANSLATED
}

/** Keeps the ends that the packet came with: an error about it shows them. */
export function keepEnds(context: Context, ends: Tuple): void {
  if (context.isTranslated) return
  context.isTranslated = true
  copyEnds(context.before, ends)
}

function copyEnds(to: Tuple, from: Tuple): void {
  to.source.set(from.source)
  to.destination.set(from.destination)
  to.sourcePort = from.sourcePort
  to.destinationPort = from.destinationPort
}

/** Gives the packet in hand the ends back that it came with. */
export function untranslate(context: Context): void {
  if (!context.isTranslated) return
  const { packet, tuple, before } = context
  const end = packet.offset + packet.length
  tuple.read(packet.bytes, packet.view, packet.offset, end)
  rewriteEnds(packet.view, packet.offset, end, tuple, before, true)
  packet.source.set(before.source)
  packet.destination.set(before.destination)
  context.isTranslated = context.hasTuple = false
}

/** The packet in hand has the addresses of `target` now. */
export function takeAddresses({ packet }: Context): void {
  packet.source.set(target.source)
  packet.destination.set(target.destination)
}

/** An end as an explanation writes it. */
export function endText({ family }: Tuple, address: Uint32Array, port: number): string {
  return `${wordsText(family, address)} port ${port}`
}
