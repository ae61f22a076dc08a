import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  decodeMessage,
  type NeighborConfig,
  type Speaker,
  type TracedMessage,
  type WatchEvent,
  type WatchedRoute,
} from '../../src/index.js'
import { Lab, internal, isUp, vpn } from './lab.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'

async function overlay(toA: Partial<NeighborConfig> = {}, toB: Partial<NeighborConfig> = {}, options: object = {}) {
  const lab = new Lab()
  const client = { routeReflectorClient: true }
  const r = lab.speaker(R, { neighbors: [internal(A, { ...client, ...toA }), internal(B, { ...client, ...toB })], ...options })
  const a = lab.speaker(A, { neighbors: [internal(R)] })
  const b = lab.speaker(B, { neighbors: [internal(R)] })
  await Promise.all([r, a, b].map((speaker) => speaker.start()))
  await lab.until(() => isUp(r, A) && isUp(r, B), 'all are up')
  return { lab, r, a, b }
}
const of = (speaker: Speaker, prefix = '10.0.0.1/32') => speaker.explain({ family: 'vpnv4-unicast', nlri: vpn(prefix).nlri })
const verdicts = (speaker: Speaker): string[] =>
  of(speaker)
    .paths.map(({ peer, verdict, term }) => [peer, ...Object.values(verdict), ...(term === undefined ? [] : [`by ${term}`])].join(' '))
    .sort()
const told = (speaker: Speaker): string[] =>
  of(speaker).advertised.map(({ neighbor, set, reason, term }) =>
    [neighbor, set === undefined ? '-' : 'holds', reason ?? 'as it should', ...(term === undefined ? [] : [`by ${term}`])].join(' '),
  )

describe('explain', () => {
  it('gives every path with the step that ranked it, and every neighbor with what it is told', async () => {
    const { lab, r, a, b } = await overlay()
    a.announce([vpn('10.0.0.1/32')])
    b.announce([{ ...vpn('10.0.0.1/32'), attributes: { ...vpn('10.0.0.1/32').attributes, localPref: 200 } }])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${A} lost local-pref false`, `${B} best local-pref`])
    expect(told(r)).toEqual([`${A} holds as it should`, `${B} - from-this-peer`])
    r.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${A} lost local false`, `${B} lost local false`, 'local best local'])
    expect(told(r)).toEqual([`${A} holds as it should`, `${B} holds as it should`])
  })

  it('says why a path is invalid, by which term', async () => {
    const { lab, r, a, b } = await overlay({ importPolicy: 'term keep\n match rd 65000:2\n accept\nterm rest\n reject' })
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${A} invalid policy by rest`])
    expect(told(r)).toEqual([`${A} - no-path`, `${B} - no-path`])
    b.announce([{ ...vpn('10.0.0.1/32'), attributes: { ...vpn('10.0.0.1/32').attributes, asPath: [{ type: 'sequence', asns: [65000] }] } }])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${A} invalid policy by rest`, `${B} invalid as-loop`])
  })

  it('says why a path is not advertised', async () => {
    const { lab, r, a } = await overlay({}, { exportPolicy: 'term mine\n match community 65000:1\n reject\notherwise accept' })
    const { attributes, ...rest } = vpn('10.0.0.1/32')
    a.announce([{ ...rest, attributes: { ...attributes, communities: [0xfde8_0001] } }])
    await lab.run(2)
    expect(told(r)[1]).toBe(`${B} - policy by mine`)
    r.announce([{ ...rest, attributes: { ...attributes, communities: [0xffff_ff02] } }])
    await lab.run(2)
    expect(told(r)).toEqual([`${A} - no-advertise`, `${B} - no-advertise`])
    expect(of(r, '10.9.9.9/32')).toEqual({
      family: 'vpnv4-unicast',
      paths: [],
      advertised: [
        { neighbor: A, reason: 'no-path' },
        { neighbor: B, reason: 'no-path' },
      ],
      imported: [],
    })
  })

  it('says what nobody wants, what waits, and who is not there', async () => {
    const families = ['vpnv4-unicast', 'rtc'] as const
    const lab = new Lab()
    const r = lab.speaker(R, { neighbors: [internal(A, { families }), internal(B, { families })] })
    const a = lab.speaker(A, { neighbors: [internal(R, { families })] })
    a.setRouteTargetMembership([])
    await Promise.all([r.start(), a.start()])
    r.announce([vpn('10.0.0.1/32')])
    await lab.until(() => isUp(r, A), 'up')
    expect(told(r)).toEqual([`${A} - not-wanted`, `${B} - no-session`])
    await lab.run(5)
    expect(told(r)).toEqual([`${A} - not-wanted`, `${B} - no-session`])
  })

  it('says which next hop cannot be reached', async () => {
    const { lab, r, a } = await overlay({}, {}, { nextHops: { costOf: () => undefined } })
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${A} unreachable`])
  })
})

describe('trace', () => {
  it('tells every message of one neighbor, both ways, until it is ended', async () => {
    const { lab, r, a, b } = await overlay()
    const traced: TracedMessage[] = []
    const end = r.trace(A, (message) => traced.push(message))
    a.announce([vpn('10.0.0.1/32')])
    b.announce([vpn('10.0.0.2/32')])
    await lab.run(5)
    expect(new Set(traced.map(({ neighbor }) => neighbor))).toEqual(new Set([A]))
    const types = traced.map(({ direction, message }) => {
      const result = decodeMessage(message, { peerType: 'ibgp' })
      return `${direction} ${result.ok ? result.message.type : '?'}`
    })
    expect(new Set(types)).toEqual(new Set(['received update', 'sent update', 'sent keepalive', 'received keepalive']))
    end()
    const { length } = traced
    await lab.run(10)
    expect(traced).toHaveLength(length)
  })
})

describe('metrics', () => {
  it('count sessions, messages, routes and queues', async () => {
    const { lab, r, a } = await overlay()
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.run(2)
    const { sessions, messages, routes, queues, attributeSets, memory, schedulerLag } = r.metrics()
    expect(sessions).toMatchObject({ established: 2, idle: 0 })
    expect(messages.received.open).toBeGreaterThanOrEqual(2) // more where both connected at once
    expect(routes.find(({ family }) => family === 'vpnv4-unicast')).toEqual({ family: 'vpnv4-unicast', destinations: 2, paths: 2 })
    expect(queues).toEqual({ scheduled: 0, undecided: 0, unsent: 0, received: 0, outgoing: 0, changes: 0 })
    expect(attributeSets).toBeGreaterThan(0)
    for (const octets of Object.values(memory)) expect(octets).toBeGreaterThan(0)
    expect(schedulerLag.longest).toBeGreaterThanOrEqual(schedulerLag.last)
  })
})

/** A reader of a watch: what it knows, and that it missed nothing. */
class Reader {
  readonly routes = new Map<string, string>()
  readonly neighbors = new Map<string, string>()
  snapshots = 0
  #sequence = -1

  take(event: WatchEvent): void {
    const name = ({ nlri }: Pick<WatchedRoute, 'nlri'>): string =>
      nlri.kind === 'vpn' ? `${nlri.rd} ${nlri.prefix}` : JSON.stringify(nlri)
    if (event.kind === 'snapshot') {
      expect(event.sequence).toBeGreaterThan(this.#sequence)
      this.snapshots++
      this.routes.clear()
      this.neighbors.clear()
      for (const route of event.routes) this.routes.set(name(route), `${route.peer} ${labels(route)}`)
      for (const [neighbor, state] of event.neighbors) this.neighbors.set(neighbor, state)
    } else {
      expect(event.sequence).toBe(this.#sequence + 1)
      if (event.kind === 'route') this.routes.set(name(event.route), `${event.route.peer} ${labels(event.route)}`)
      if (event.kind === 'gone') this.routes.delete(name(event))
      if (event.kind === 'neighbor') this.neighbors.set(event.neighbor, event.state)
    }
    this.#sequence = event.sequence
  }
}
const labels = ({ nlri }: WatchedRoute): string => (nlri.kind === 'vpn' ? nlri.labels.join('/') : '')

test('a watch has no gap however slow its reader, and leads to what is there', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('announce' as const), host: fc.nat(9), label: fc.integer({ min: 16, max: 20 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), host: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), reader: fc.nat(1), count: fc.nat(6) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(3) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const { lab, r, a, b } = await overlay()
      const readers = [new Reader(), new Reader()]
      const watches = [r.watch({ limit: 4 }), r.watch()].map((watch) => watch[Symbol.asyncIterator]())
      const pending: (Promise<void> | undefined)[] = [undefined, undefined]
      const read = async (at: number): Promise<boolean> => {
        // one read at a time; one that waits is left to wait
        let done = false
        pending[at] ??= watches[at].next().then(({ value }) => {
          if (value !== undefined) readers[at].take(value as WatchEvent)
          pending[at] = undefined
          done = true
        })
        await Promise.race([pending[at], lab.run(0)])
        return done
      }
      for (const action of steps) {
        if (action.kind === 'announce') a.announce([vpn(`10.0.0.${action.host}/32`, { label: action.label })])
        if (action.kind === 'withdraw') a.withdraw([vpn(`10.0.0.${action.host}/32`)])
        if (action.kind === 'reset') r.resetNeighbor(A)
        if (action.kind === 'wait') await lab.run(action.seconds)
        if (action.kind === 'read') for (let count = 0; count < action.count; count++) await read(action.reader)
      }
      await lab.until(() => isUp(r, A) && isUp(r, B), 'up again')
      await lab.run(30)
      for (const at of [0, 1]) while (await read(at));
      const expected = new Map<string, string>()
      for (const family of ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'] as const) {
        for (const { nlri, peer, best } of r.routes({ family })) {
          if (!best) continue
          const name = nlri.kind === 'vpn' ? `${nlri.rd} ${nlri.prefix}` : JSON.stringify(nlri)
          expected.set(name, `${peer} ${nlri.kind === 'vpn' ? nlri.labels.join('/') : ''}`)
        }
      }
      for (const reader of readers) {
        expect(reader.routes).toEqual(expected)
        expect(Object.fromEntries(reader.neighbors)).toEqual({ [A]: 'established', [B]: 'established' })
      }
      expect(readers[1].snapshots).toBe(1)
      await Promise.all([r.stop(), a.stop(), b.stop()])
      await pending[0]
      expect((await watches[0].next()).done).toBe(true)
    }),
    { numRuns: 60 },
  )
})
