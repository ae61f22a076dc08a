import type { MirrorDirection } from '@heddle/core'
import type { Context } from '../context.js'
import type { Port } from '../tables.js'
import { coversPort } from './mirrors.js'

/** Copies the packet in hand to the mirrors of the port that it came from, as it came. */
export function mirrorSent({ packet, copier, learns, trace }: Context, { object, mirrors }: Port): void {
  if (mirrors?.egress === undefined || !learns) return
  const { bytes, offset, length } = packet
  for (const mirror of mirrors.egress) {
    copier.copy(mirror, object.id, 'egress', bytes, offset, length)
    trace?.step('port', `copied to mirror ${mirror.object.id}`)
  }
}

/** Copies the packet in hand to the mirror of the rule that judged its flow, unless that mirror gets all packets of the port. */
export function mirrorJudged({ packet, copier, tables, learns, trace }: Context, { object }: Port, isOut: boolean, id: number): void {
  const mirror = tables.mirrors.get(id)
  const direction: MirrorDirection = isOut ? 'egress' : 'ingress'
  if (mirror === undefined || coversPort(mirror.object, object.id, direction)) return
  trace?.step('policy', `copied to mirror ${id}`)
  if (learns) copier.copy(mirror, object.id, direction, packet.bytes, packet.offset, packet.length)
}
