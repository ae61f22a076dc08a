// Measures the codec of `@heddle/bgp` in a process that does nothing else; sends the rates over the IPC channel.
import { VPNV4_UNICAST, decodeMessage, packUpdates, visitNlri, walkUpdate, type NlriCursor, type RouteGroup } from '@heddle/bgp'
import { u16 } from '../peer/update-walk.ts'
import { VPNV4 } from '../workload/family.ts'
import { vpnv4Sets } from '../workload/vpnv4.ts'
import { encodeWorkload, type RouteSet } from '../workload/workload.ts'

/** Routes a second, a figure a round. */
export interface CodecRates {
  readonly visit: readonly number[]
  readonly decode: readonly number[]
  readonly encode: readonly number[]
}

/** Messages that are full, or those of the workload, which end with their set. */
export type CodecMessages = 'full' | 'by-set'

const ROUTES = 100_000
const PEER = { peerType: 'ibgp' } as const
const [which, rounds, milliseconds] = [process.argv[2] as CodecMessages, Number(process.argv[3]), Number(process.argv[4])]
/** Of what the visitor has read. */
let sum = 0
process.send?.(ratesOf(messagesOf(which)))

function ratesOf(messages: readonly Uint8Array[]): CodecRates {
  const expected = visitAll(messages)
  const visited = rates(() => visitAll(messages), expected)
  const decoded = rates(() => decodeAll(messages), expected)
  // only now, because the values that stay make the collector's work harder
  const groups = groupsOf(messages)
  const octets = messages.reduce((total, { length }) => total + length, 0)
  return { visit: visited, decode: decoded, encode: rates(() => encodeAll(groups), octets) }
}

function messagesOf(kind: CodecMessages): Uint8Array[] {
  const sets = vpnv4Sets(ROUTES)
  const joined: RouteSet = { ...sets[0], nlri: sets.flatMap(({ nlri }) => nlri) }
  const { announcements } = encodeWorkload(VPNV4, kind === 'full' ? [joined] : sets)
  const messages: Uint8Array[] = []
  for (let at = 0; at < announcements.length; at += u16(announcements, at + 16)) {
    messages.push(announcements.subarray(at, at + u16(announcements, at + 16)))
  }
  return messages
}

/** Repeats `run`, which must return `expected` each time, for so long, so often. */
function rates(run: () => number, expected: number): number[] {
  return Array.from({ length: rounds + 1 }, () => {
    let times = 0
    const start = performance.now()
    let elapsed = 0
    for (; elapsed < milliseconds; elapsed = performance.now() - start) {
      const result = run()
      if (result !== expected) throw new TypeError(`the codec gave ${result} in place of ${expected}`)
      times++
    }
    return (times * ROUTES * 1000) / elapsed
  }).slice(1) // the first one lets the compiler see it
}

/** Finds the parts of each message, and walks its routes; the sum says that they were read. */
function visitAll(messages: readonly Uint8Array[]): number {
  sum = 0
  for (const message of messages) {
    const walk = walkUpdate(message)
    if (!walk.ok) throw new TypeError('a message of the bench cannot be walked')
    for (const { offset, length } of walk.view.reach) {
      visitNlri(VPNV4_UNICAST, message.subarray(offset, offset + length), { addPath: false, withdraw: false }, visit)
    }
  }
  return sum
}

function visit({ label, rdLow, w0 }: NlriCursor): void {
  sum = (sum + label + rdLow + w0) | 0
}

/** Each message as values, with its attributes and the verdict on them. */
function decodeAll(messages: readonly Uint8Array[]): number {
  let total = 0
  for (const message of messages) {
    for (const nlri of announcedIn(message)) {
      if (nlri.kind === 'vpn') total = (total + nlri.labels[0] + nlri.rd.low + nlri.prefix.address.w0) | 0
    }
  }
  return total
}

function announcedIn(message: Uint8Array): RouteGroup['nlri'] {
  const result = decodeMessage(message, PEER)
  if (!result.ok || result.message.type !== 'update' || result.errors.length > 0) throw new TypeError('a message of the bench has a fault')
  return result.message.announced[0].nlri
}

function encodeAll(groups: readonly RouteGroup[]): number {
  let octets = 0
  for (const group of groups) for (const { length } of packUpdates(group)) octets += length
  return octets
}

/** What the messages say, as a speaker would hand it to the encoder: routes with the same attributes together. */
function groupsOf(messages: readonly Uint8Array[]): RouteGroup[] {
  const groups = new Map<string, RouteGroup & { readonly nlri: RouteGroup['nlri'][number][] }>()
  for (const message of messages) {
    const result = decodeMessage(message, PEER)
    if (!result.ok || result.message.type !== 'update') throw new TypeError('a message of the bench cannot be decoded')
    const { attributes, announced } = result.message
    const [{ family, nextHop, nlri }] = announced
    const key = JSON.stringify([attributes, nextHop?.address.toString()], (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { family, attributes, ...(nextHop === undefined ? {} : { nextHop }), nlri: [...nlri] })
    else for (const one of nlri) group.nlri.push(one)
  }
  return [...groups.values()]
}
