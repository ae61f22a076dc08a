import type { FibTransaction } from '@heddle/core'
import { RouteBatch } from '@heddle/core'
import type { TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type { Measure } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { POD, setUnderlay, type Contender, type Site } from './contender.ts'
import { outputOf } from './namespaces.ts'
import { compiled } from './native-tools.ts'
import { decap, encap } from './packets.ts'
import { heddleVersion } from './software.ts'
import { start } from './start.ts'

const PORT = 5203
const ON = 'Heddle, policies and services'
const OFF = 'Heddle, neither'

/** The price of stateful policies and of services that are looked for. */
export const features: Part = {
  id: 'features',
  title: 'Policies and services on, beside off',
  about: `On: ports have ordered rules of which the sixteenth allows the traffic, each packet belongs to a remembered flow, and sixteen services are looked for in
the VRF. Off: neither.`,
  async run({ quick, progress, signal }) {
    const [rounds, seconds] = quick ? [1, 0.5] : [3, 1]
    const traffic = compiled('traffic')
    const pairs: [string, Contender, Contender][] = []
    try {
      for (const name of [ON, OFF]) {
        const also = name === ON ? programFeatures : undefined
        pairs.push([name, await start('heddle', { also }), await start('heddle', { sites: ['a'], cpu: 1, also })])
      }
      for (const [, whole, single] of pairs) {
        for (const { namespaces } of [whole, single]) setUnderlay(namespaces, 'super')
        await whole.namespaces.serve('pod-b', [traffic, 'tcp-serve', `${PORT}`])
      }
      const rows = { tcp: rowsOf(), encap: rowsOf(), decap: rowsOf() }
      for (let round = 0; round < rounds; round++) {
        for (const [name, whole, single] of pairs) {
          signal.throwIfAborted()
          const argv = [traffic, 'tcp-blast', POD.b, `${PORT}`, '1', `${seconds}`]
          const [octets, time] = (await outputOf(whole.namespaces.start('pod-a', argv))).split(' ').map(Number)
          rows.tcp.get(name)?.push((octets * 8) / time / 1e9)
          rows.encap.get(name)?.push(await encap(single, seconds))
          rows.decap.get(name)?.push(await decap(single, seconds))
          progress(`${name}: ${[rows.tcp, rows.encap, rows.decap].map((row) => row.get(name)?.at(-1)?.toFixed(2)).join(', ')}`)
        }
      }
      const measure = (id: 'tcp' | 'encap' | 'decap', title: string, unit: string): Measure => ({
        id: `features-${id}`,
        title,
        unit,
        better: 'higher',
        series: Array.from(rows[id], ([name, figures]) => ({ name, rounds: figures })),
        goals: [{ kind: 'times-better', factor: 0.75, than: OFF }],
      })
      return {
        software: [
          { name: ON, version: heddleVersion(), role: 'subject' },
          { name: OFF, version: heddleVersion(), role: 'rival' },
        ],
        measures: [
          measure('tcp', 'One TCP stream, underlay "super"', 'Gbit/s'),
          measure('encap', 'Packets of 64 octets into the tunnel', 'Mpps'),
          measure('decap', 'Packets of 64 octets into the pod', 'Mpps'),
        ],
      }
    } finally {
      for (const [, whole, single] of pairs) {
        await whole.close()
        await single.close()
      }
    }
  },
}

function rowsOf(): Map<string, number[]> {
  return new Map([ON, OFF].map((name) => [name, []]))
}

async function programFeatures(dataplane: TunDataplane, site: Site): Promise<void> {
  const none = { set: [], remove: [] }
  const others = Array.from({ length: 15 }, (_, index) => ({
    verdict: 'deny' as const,
    protocol: 6,
    peers: [IpPrefix.parse(`198.51.100.${index}/32`)],
    ports: [{ first: 1000 + index, last: 1000 + index }],
  }))
  const rules = [...others, { verdict: 'allow' as const, peers: [IpPrefix.parse('10.1.0.0/24')] }]
  const transaction: FibTransaction = {
    generation: 2,
    vrfs: none,
    ports: none,
    nextHops: none,
    groups: none,
    tunnelSources: none,
    labels: none,
    vnis: none,
    routes: new RouteBatch(),
    policies: {
      set: (['ingress', 'egress'] as const).map((direction, index) => ({
        id: index + 1,
        port: 1,
        direction,
        rules,
        defaultVerdict: 'deny',
      })),
      remove: [],
    },
    services: {
      set: Array.from({ length: 16 }, (_, index) => ({
        id: index + 1,
        vrf: 1,
        address: IpAddress.parse(`10.96.0.${index + 1}`),
        protocol: 'tcp',
        port: 80,
        seed: 1,
        backends: [{ address: IpAddress.parse(POD[site]), port: 8080, weight: 1 }],
      })) as NonNullable<FibTransaction['services']>['set'],
      remove: [],
    },
  }
  const report = await dataplane.apply(transaction)
  if (report.status !== 'applied') throw new Error(JSON.stringify(report.failures))
}
