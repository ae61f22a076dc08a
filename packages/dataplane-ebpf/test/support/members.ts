import type { GroupObject, LivenessObject, NextHopObject } from '@heddle/core'
import type { Tables } from '@heddle/dataplane-conformance'
import type { ForwardingEngine } from '@heddle/forwarding'
import fc from 'fast-check'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { bucketsOf } from '../../src/layout/buckets.js'
import { encodeLiveness } from '../../src/liveness/encoding.js'
import { LOCAL, PEERS } from './router.js'

/*
 * Which member of a group a flow goes to, as programs are to choose it. The forwarder in TypeScript spreads flows by another table than they do: tests that
 * compare both have it choose by this (`vi.mock` of `member.ts`), by the hash that it has of the packet, and what is sent then shows by its tunnel who was chosen.
 */

/** The part of the tables of `forwarding` that is asked. */
interface Known {
  readonly down: ReadonlySet<number>
  readonly nextHops: ReadonlyMap<number, { readonly object: NextHopObject }>
}

const BUCKETS = 256
/** From the bucket of a flow whose member is down to the one that is asked next. */
const STEP = 157

/** Ways in which members were chosen. */
export const chosen = new Set<string>()
export const EVERY_CHOICE = ['that is the only one', 'of its bucket', 'of another bucket', 'without a bucket', 'that is not there']

const tables = new WeakMap<GroupObject, Uint8Array>()

/** Index of the member, -1 when there is none. */
export function memberByBuckets(group: GroupObject, hash: number, { down, nextHops }: Known): number {
  const buckets = tables.get(group) ?? bucketsOf(group)
  tables.set(group, buckets)
  const isHeard = ({ nextHop }: GroupObject['members'][number]): boolean => {
    const liveness = nextHops.get(nextHop)?.object.liveness
    return liveness === undefined || !down.has(liveness)
  }
  const heard = group.members.map(isHeard)
  const first = Math.imul(hash ^ group.seed, 0x9e3779b1) >>> 24
  const asked = Array.from({ length: BUCKETS }, (_, step) => buckets[(first + step * STEP) % BUCKETS])
  const at = asked.findIndex((member) => heard[member])
  const found = at < 0 ? heard.indexOf(true) : asked[at]
  const way = at === 0 ? 'of its bucket' : at > 0 ? 'of another bucket' : 'without a bucket'
  chosen.add(found < 0 ? 'that is not there' : group.members.length === 1 ? 'that is the only one' : way)
  return found
}

/** Paths that next hops may name. Nobody answers there, and what is known of them a test says. */
const PATHS = PEERS[4].map((remote, id): LivenessObject => ({
  id,
  local: LOCAL[4],
  remote,
  hops: 'multiple',
  desiredMinTx: 60_000_000,
  requiredMinRx: 60_000_000,
  multiplier: 255,
}))

/** No tables but the paths, which are watched all along: sessions that begin and end are no part of what is compared. */
export const WATCHED = { liveness: PATHS } as const

/** Tables some of whose next hops name paths, and the paths that are down. */
export interface Spread {
  readonly tables: Tables
  readonly down: readonly number[]
}

/** The tables with paths, and at times with members of a weight beside which others come to no bucket. */
export function spread(drawn: fc.Arbitrary<Tables>): fc.Arbitrary<Spread> {
  const path = fc.constantFrom(undefined, ...PATHS.map(({ id }) => id))
  return fc
    .record({
      tables: drawn,
      paths: fc.array(path, { minLength: 4, maxLength: 4 }),
      heaviest: fc.constantFrom(undefined, undefined, undefined, 0, 1),
      down: fc.oneof(fc.constantFrom<number[][]>([], [0], [1], [2]), fc.subarray(PATHS.map(({ id }) => id))),
    })
    .map(({ tables: { nextHops, groups, ...others }, paths, heaviest, down }) => ({
      down,
      tables: {
        ...others,
        ...WATCHED,
        nextHops: nextHops.map((hop, index) => {
          const liveness = paths[index % paths.length]
          return liveness === undefined ? hop : { ...hop, liveness }
        }),
        groups: groups.map((group) => ({
          ...group,
          members: group.members.map((member, index) => (index === heaviest ? { ...member, weight: 0xffff_ffff } : member)),
        })),
      },
    }))
}

const SESSION = {
  state: 'down',
  diagnostic: 1,
  remoteState: 'down',
  remoteDiscriminator: 0,
  remoteMinRx: 0,
  remoteDesiredMinTx: 0,
  remoteMultiplier: 0,
  remoteDemand: false,
  polling: false,
  activeMinTx: 0,
  activeMinRx: 0,
} as const

/** Tells the forwarder in TypeScript of all paths. */
export function tellEngine(engine: ForwardingEngine, down: readonly number[]): void {
  for (const { id } of PATHS) engine.setLiveness(id, !down.includes(id))
}

/** Tells the programs, as a keeper of sessions does. */
export function tellPrograms(
  {
    parts: {
      maps,
      tables: { config },
    },
  }: EbpfRouter,
  down: readonly number[],
): void {
  for (const { id } of PATHS) {
    const known = down.includes(id) ? 'down' : 'up'
    maps.set('liveness', id, encodeLiveness({ id, discriminator: 1, session: SESSION }, { known, downs: 0 }))
  }
  config.set('down', down.length)
  maps.forgetDecisions()
}
