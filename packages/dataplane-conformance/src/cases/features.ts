import { DATAPLANE_FEATURES, hasFeature, type DataplaneFeature, type FibTransaction } from '@heddle/core'
import { MacAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import type { Lab } from '../lab.js'
import { overlay, tunnelTo } from '../overlay.js'
import { only, transition, EMPTY } from '../tables.js'

type Part = Partial<Omit<FibTransaction, 'generation'>>

/** A transaction that asks for a feature; a feature that changes no object has none. */
const asking: Readonly<Partial<Record<DataplaneFeature, (lab: Lab, tables: FibTransaction) => Part | undefined>>> = {
  'mss-clamp': (_lab, { ports }) => ({ ports: { set: [{ ...ports.set[0], clampMss: true }], remove: [] } }),
  ethernet: (_lab, { ports }) => ({
    ports: { set: [{ ...ports.set[0], link: { mac: MacAddress.parse('02:00:00:00:00:fe') } }], remove: [] },
  }),
  ecn: (lab) => ({ nextHops: { set: [{ id: 77, action: { ...tunnelTo(lab, 0, 2001), ecn: 'normal' } as never }], remove: [] } }),
  policy: () => ({ policies: { set: [{ id: 1, port: 1, direction: 'egress', rules: [], defaultVerdict: 'deny' }], remove: [] } }),
  service: (lab, { vrfs }) => {
    const rest = { protocol: 'tcp', port: 80, backends: [], seed: 0 } as const
    return { services: { set: [{ id: 1, vrf: vrfs.set[0].id, address: lab.peers[0], ...rest }], remove: [] } }
  },
  nat: (lab, { vrfs }) => {
    const [inside, outside] = vrfs.set
    const natPool = { id: 1, vrf: inside.id, outside: outside.id, address: lab.peers[0], ports: { first: 1, last: 9 } }
    return { natPools: { set: [natPool], remove: [] } }
  },
  liveness: ({ local, peers: [remote] }) => {
    const intervals = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }
    return { liveness: { set: [{ id: 1, local, remote, hops: 'single', ...intervals }], remove: [] } }
  },
  mirror: () => ({ mirrors: { set: [{ id: 1, ports: [{ port: 1, direction: 'both' }], sink: { type: 'stream' } }], remove: [] } }),
  'mirror-rules': ({ harness: { dataplane } }) => {
    if (!(['mirror', 'policy'] as const).every((feature) => hasFeature(dataplane.capabilities, feature))) return undefined
    const mirror = { id: 2, ports: [], sink: { type: 'stream' as const } }
    const policy = {
      id: 2,
      port: 1,
      direction: 'ingress' as const,
      rules: [{ verdict: 'allow' as const, mirror: 2 }],
      defaultVerdict: 'deny' as const,
    }
    return { mirrors: { set: [mirror], remove: [] }, policies: { set: [policy], remove: [] } }
  },
  'rate-limit': (_lab, { ports }) => ({
    ports: { set: [{ ...ports.set[0], rateLimits: { egress: { bitsPerSecond: 1e9, burstOctets: 100_000 } } }], remove: [] },
  }),
  trace: () => ({ traces: { set: [{ id: 1, filter: {} }], remove: [] } }),
  'traffic-class-pop': (_lab, { labels }) => ({ labels: { set: [{ ...labels.set[0], trafficClassModel: 'uniform' }], remove: [] } }),
}

export const featureCases: readonly ConformanceCase[] = [
  {
    name: 'what asks for a feature is taken where the feature is offered, and refused as dataplane.unsupported where it is not',
    async run(lab) {
      const tables = overlay(lab)
      await lab.program(tables)
      const { dataplane } = lab.harness
      let generation = lab.generation
      for (const feature of DATAPLANE_FEATURES) {
        const part = asking[feature]?.(lab, transition(1, EMPTY, tables))
        if (part === undefined) continue
        const before = await lab.dump()
        const { status, failures } = await dataplane.apply(only(++generation, part))
        const expected = hasFeature(dataplane.capabilities, feature) ? ['applied'] : ['refused', 'dataplane.unsupported']
        checkEqual([status, ...failures.map(({ code }) => code)], expected, feature)
        if (status === 'refused') checkEqual((await lab.dump()).generation, before.generation, 'generation after a refusal')
      }
    },
  },
]
