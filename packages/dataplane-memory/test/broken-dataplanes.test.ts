import type { Dataplane, DataplaneState, FibTransaction } from '@heddle/core'
import { conformanceCases, ConformanceError, Lab, missingFor, type ConformanceCase } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import type { MemoryDataplane } from '../src/index.js'
import { memoryHarness } from './memory-harness.js'

/** A dataplane that is wrong in one way, and a case that must notice. */
interface Broken {
  readonly fault: string
  readonly wrap: (dataplane: MemoryDataplane) => Dataplane
  readonly noticedBy: readonly string[]
}

const ORACLE = 'property: whatever the tables and packets, the outcome is one that the oracle allows'

const ISOLATION = 'property: no packet comes out of a port of another VRF, or enters from a source that no table names'

const broken: readonly Broken[] = [
  {
    fault: 'accepts labels from every tunnel source',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        tunnelSources: {
          ...transaction.tunnelSources,
          set: transaction.tunnelSources.set.map(({ id }) => ({ id, prefixes: [IpPrefix.parse('0.0.0.0/0'), IpPrefix.parse('::/0')] })),
        },
      })),
    noticedBy: ['a label or VRF label from a foreign tunnel source is dropped as tunnel-source', ISOLATION, ORACLE],
  },
  {
    fault: 'puts the ports of every VRF into the first one',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        ports: { ...transaction.ports, set: transaction.ports.set.map((port) => ({ ...port, vrf: 1 })) },
      })),
    noticedBy: [
      'the same destination means another endpoint in another VRF',
      'an endpoint of one VRF does not reach an address that only another has',
      ISOLATION,
      ORACLE,
    ],
  },
  {
    fault: 'checks no source address',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        ports: { ...transaction.ports, set: transaction.ports.set.map((port) => ({ ...port, allowedSources: [] })) },
      })),
    noticedBy: ['a packet from an address that its port may not use is dropped as source-address', ORACLE],
  },
  {
    fault: 'lets everything pass that a policy is about',
    wrap: (dataplane) => changing(dataplane, ({ policies: _none, ...transaction }) => transaction),
    noticedBy: ['policy: replies pass against the rules, what is no reply does not', ORACLE],
  },
  {
    fault: 'does not know replies',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        ports: { ...transaction.ports, set: transaction.ports.set.map((port) => ({ ...port, maxFlows: 0 })) },
      })),
    noticedBy: ['policy: replies pass against the rules, what is no reply does not', ORACLE],
  },
  {
    fault: 'keeps what is removed',
    wrap: (dataplane) => changing(dataplane, (transaction) => ({ ...transaction, labels: { ...transaction.labels, remove: [] } })),
    noticedBy: ['what is removed is gone, and removing it again is no error', 'a label that is removed is unknown from then on'],
  },
  {
    fault: 'uses the pipe model for every tunnel',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        nextHops: {
          ...transaction.nextHops,
          set: transaction.nextHops.set.map(({ id, action }) => ({
            id,
            action: action.type === 'tunnel' ? { ...action, ttlModel: 'pipe', trafficClassModel: 'pipe' } : action,
          })),
        },
      })),
    noticedBy: ['the uniform model shows the inner TTL and traffic class (RFC 3443 §3.1)', ORACLE],
  },
  {
    fault: 'spreads flows by another seed after each transaction',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        groups: {
          ...transaction.groups,
          set: transaction.groups.set.map((group) => ({ ...group, seed: group.seed + transaction.generation })),
        },
      })),
    noticedBy: ['the packets of a flow take one way, whatever is programmed again'],
  },
  {
    fault: 'ignores weights',
    wrap: (dataplane) =>
      changing(dataplane, (transaction) => ({
        ...transaction,
        groups: {
          ...transaction.groups,
          set: transaction.groups.set.map(({ id, seed, members }) => ({
            id,
            seed,
            members: members.map(({ nextHop }) => ({ nextHop, weight: 1 })),
          })),
        },
      })),
    noticedBy: ['flows are spread over the members of a group by weight'],
  },
  {
    fault: 'says that a refused transaction was applied',
    wrap: (dataplane) => ({
      ...bound(dataplane),
      apply: async (transaction) => ({ ...(await dataplane.apply(transaction)), status: 'applied' }),
    }),
    noticedBy: ['a label in the special-purpose range is refused, and nothing changes'],
  },
  {
    fault: 'counts no drops',
    wrap: (dataplane) => ({
      ...bound(dataplane),
      counters: async () => {
        const snapshot = await dataplane.counters()
        return { ...snapshot, drops: new Float64Array(snapshot.drops.length) }
      },
    }),
    noticedBy: ['an unknown label is dropped as label-unknown', ORACLE],
  },
]

describe.each(broken)('a dataplane that $fault', ({ wrap, noticedBy }) => {
  it.each(noticedBy)('is noticed by: %s', async (name) => {
    const one = conformanceCases.find((candidate) => candidate.name === name)
    if (one === undefined) throw new ConformanceError(`no case is called ${name}`)
    // A property draws its tables anew each time, and now and then draws none that show the fault.
    const attempts = name.startsWith('property') ? 10 : 1
    let failure: unknown
    for (let attempt = 0; attempt < attempts && failure === undefined; attempt++) failure = await failureOf(one, wrap)
    expect(causeOf(failure)).toBeInstanceOf(ConformanceError)
  })
})

/** What the case throws at a dataplane so wrapped, or undefined when it passes. */
async function failureOf(one: ConformanceCase, wrap: Broken['wrap']): Promise<unknown> {
  const harness = await memoryHarness({ wrap })()
  expect(missingFor(one.needs, harness)).toBe(undefined)
  const failure = await one.run(new Lab(harness)).then(
    () => undefined,
    (error: unknown) => error,
  )
  await harness.close()
  return failure
}

/** Changes what is applied, and hides the change from the dump, as a broken kernel would. */
function changing(dataplane: MemoryDataplane, change: (transaction: FibTransaction) => FibTransaction): Dataplane {
  let meant: Partial<DataplaneState> = {}
  return {
    ...bound(dataplane),
    apply: (transaction) => {
      const { ports, nextHops, groups, tunnelSources, policies } = transaction
      meant = {
        ports: ports.set,
        nextHops: nextHops.set,
        groups: groups.set,
        tunnelSources: tunnelSources.set,
        policies: policies?.set ?? [],
      }
      return dataplane.apply(change(transaction))
    },
    dump: async () => ({ ...(await dataplane.dump()), ...meant }),
  }
}

function bound(dataplane: MemoryDataplane): Dataplane {
  return {
    capabilities: dataplane.capabilities,
    events: dataplane.events,
    apply: (transaction, signal) => dataplane.apply(transaction, signal),
    dump: () => dataplane.dump(),
    attachPort: (port, device) => dataplane.attachPort(port, device),
    detachPort: (port) => dataplane.detachPort(port),
    counters: () => dataplane.counters(),
    close: () => dataplane.close(),
  }
}

/** fast-check wraps what a property throws. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && !(error instanceof ConformanceError) ? error.cause : error
}
