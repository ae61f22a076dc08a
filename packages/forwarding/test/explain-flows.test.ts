import { RouteBatch, type FibTransaction } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { DROP, ForwardingEngine, HEADROOM, PacketOut, explain, probePacket, type Explanation } from '../src/index.js'

const LIMITS = { vrfs: 1, ports: 2, nextHops: 2, groups: 2, groupMembers: 1, labels: 0, vnis: 0, routes: 4, labelStackDepth: 1 }
const [CLIENT, SERVER, VIRTUAL] = ['10.0.0.1', '10.0.0.2', '10.96.0.1'].map((text) => IpAddress.parse(text))
const all = <T>(set: readonly T[]): { readonly set: readonly T[]; readonly remove: readonly number[] } => ({ set, remove: [] })

/** Port 1 may open UDP to port 53 alone, port 2 serves the virtual address. */
function tables(): FibTransaction {
  const routes = new RouteBatch()
  for (const [id, address] of [CLIENT, SERVER].entries()) routes.push(1, IpPrefix.of(address), id + 1)
  return {
    generation: 1,
    vrfs: all([{ id: 1, name: 'red' }]),
    ports: all([1, 2].map((id) => ({ id, kind: 'endpoint' as const, vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }))),
    nextHops: all([1, 2].map((id) => ({ id, action: { type: 'port' as const, port: id } }))),
    groups: all([1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 }))),
    tunnelSources: all([]),
    labels: all([]),
    vnis: all([]),
    policies: all([
      {
        id: 5,
        port: 1,
        direction: 'egress',
        rules: [{ verdict: 'allow', protocol: 17, ports: [{ first: 53, last: 53 }] }],
        defaultVerdict: 'deny',
      },
      { id: 6, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' },
    ]),
    services: all([
      { id: 9, vrf: 1, address: VIRTUAL, protocol: 'udp', port: 80, backends: [{ address: SERVER, port: 53, weight: 1 }], seed: 1 },
    ]),
    routes,
  }
}

function engine(): ForwardingEngine {
  const made = new ForwardingEngine({ limits: LIMITS })
  expect(made.apply(tables()).status).toBe('applied')
  return made
}

const query = probePacket({ source: CLIENT, destination: VIRTUAL, sourcePort: 4000, destinationPort: 80 })
const answer = probePacket({ source: SERVER, destination: CLIENT, sourcePort: 53, destinationPort: 4000 })

function textOf({ steps }: Explanation, name: string): string {
  return steps
    .filter(({ step }) => step === name)
    .map(({ text }) => text)
    .join('; ')
}

test('a packet to a virtual address is explained with its backend and the rule that lets it pass', () => {
  const explanation = engine().explain({ from: 'port', port: 1, packet: query })
  expect(explanation.outcome).toMatchObject({ type: 'deliver', port: 2 })
  expect(textOf(explanation, 'service')).toContain('service 9 sends the flow to backend 0, 10.0.0.2 port 53')
  expect(textOf(explanation, 'policy')).toContain('egress policy of port 1 (5): rule 0 says allow')
})

test('a packet that a policy drops is explained by what judged it', () => {
  const explanation = engine().explain({ from: 'port', port: 2, packet: answer })
  expect(explanation.outcome).toEqual({ type: 'drop', reason: 'policy' })
  expect(textOf(explanation, 'policy')).toContain('ingress policy of port 1 (6): the default says deny')
})

test('explaining is remembered by nobody, forwarding is', () => {
  const made = engine()
  made.explain({ from: 'port', port: 1, packet: query })
  expect(made.explain({ from: 'port', port: 2, packet: answer }).outcome).toEqual({ type: 'drop', reason: 'policy' })
  const buffer = new Uint8Array(HEADROOM + query.length)
  buffer.set(query, HEADROOM)
  expect(made.fromPort(1, buffer, HEADROOM, query.length, new PacketOut())).not.toBe(DROP)
  const explanation = made.explain({ from: 'port', port: 2, packet: answer })
  expect(explanation.outcome).toMatchObject({ type: 'deliver', port: 1 })
  expect(textOf(explanation, 'policy')).toContain('the flow was allowed')
  expect(textOf(explanation, 'service')).toContain('10.96.0.1 port 80')
})

test('what a dump tells of policies and services is explained as the dataplane would', () => {
  const state = { ...engine().state(), devices: [] }
  const options = { capabilities: { limits: LIMITS, encapsulations: [], features: ['policy', 'service'] as const } }
  const { outcome, steps } = explain(state, { from: 'port', port: 1, packet: query }, options)
  expect(steps.map(({ step }) => step)).toEqual(expect.arrayContaining(['service', 'policy', 'lookup', 'deliver']))
  expect(outcome).toEqual({ type: 'drop', reason: 'port-down' })
})
