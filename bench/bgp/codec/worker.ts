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

/** Of messages that are full, and of those of the workload, which end with their set. */
export interface CodecReport {
  readonly full: CodecRates
  readonly bySet: CodecRates
}

const ROUTES = 100_000
const PEER = { peerType: 'ibgp' } as const
const rounds = Number(process.argv[2])
const milliseconds = Number(process.argv[3])
/** Of what the visitor has read. */
let sum = 0

const sets = vpnv4Sets(ROUTES)
const joined: RouteSet = { ...sets[0], nlri: sets.flatMap(({ nlri }) => nlri) }
process.send?.({ full: ratesOf([joined]), bySet: ratesOf(sets) } satisfies CodecReport)

function ratesOf(routeSets: readonly RouteSet[]): CodecRates {
  const { announcements } = encodeWorkload(VPNV4, routeSets)
  const messages: Uint8Array[] = []
  for (let at = 0; at < announcements.length; at += u16(announcements, at + 16)) {
    messages.push(announcements.subarray(at, at + u16(announcements, at + 16)))
  }
  const groups = groupsOf(messages)
  const octets = messages.reduce((sum, { length }) => sum + length, 0)
  const sum = visitAll(messages)
  return {
    visit: rates(() => visitAll(messages), sum),
    decode: rates(() => decodeAll(messages), sum),
    encode: rates(() => encodeAll(groups), octets),
  }
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
