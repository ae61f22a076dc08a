import { TYPE } from '../workload/octets.ts'
import { u16, type UpdateParts } from './update-walk.ts'

/** Octets that a reflected route has beside those that were announced (RFC 4456 §8). */
export interface Reflection {
  readonly originatorId: readonly number[]
  readonly clusterList: readonly number[]
}

/** Path attributes and next hop as text, in the order of their types and however their lengths are written; what reflection adds is judged and left out. */
export function attributesText(octets: Uint8Array, parts: UpdateParts, reflection?: Reflection, say?: (text: string) => void): string {
  const found: string[] = []
  const texts = new Map<number, string>()
  for (let at = parts.attributesFrom; at < parts.attributesTo;) {
    const value = at + (octets[at] & 0x10 ? 4 : 3)
    const end = value + (octets[at] & 0x10 ? u16(octets, at + 2) : octets[at + 2])
    const type = octets[at + 1]
    const text = hex(octets, value, end)
    if (type === TYPE.originatorId || type === TYPE.clusterList) texts.set(type, text)
    else if (type !== TYPE.mpReach && type !== TYPE.mpUnreach) found.push(`${String(type).padStart(3, '0')}/${octets[at] & 0xe0}/${text}`)
    at = end
  }
  if (reflection !== undefined) {
    for (const [type, name, wanted] of [
      [TYPE.originatorId, 'ORIGINATOR_ID', reflection.originatorId],
      [TYPE.clusterList, 'CLUSTER_LIST', reflection.clusterList],
    ] as const) {
      const text = Buffer.from(wanted).toString('hex')
      if (texts.get(type) !== text) say?.(`${name} is ${texts.get(type) ?? 'missing'}, not ${text}`)
    }
  }
  return `${found.sort().join(' ')} via ${hex(octets, parts.nextHopFrom, parts.nextHopTo)}`
}

export function hex(octets: Uint8Array, from: number, to: number): string {
  return Buffer.from(octets.buffer, octets.byteOffset + from, to - from).toString('hex')
}
