import type { Connection } from '@heddle/io'
import { seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  OriginAuthorizations,
  RtrClient,
  decodeRtr,
  encodeRtr,
  rtrLength,
  type NeighborConfig,
  type OriginAuthorization,
  type OriginValidator,
  type RtrPdu,
} from '../../src/index.js'
import { unicast } from '../interop/peering.js'
import { Lab, isUp } from './lab.js'

const R = '192.0.2.1'
const FIRST = '192.0.2.50'
const SECOND = '192.0.2.51'
const PORT = 323
const INTERVALS = { refresh: 100, retry: 600, expire: 600 }

/** A cache that answers as a test says. */
class Cache {
  readonly asked: RtrPdu[] = []
  #connection: Connection | undefined
  connections = 0

  constructor(
    private readonly lab: Lab,
    private readonly address: string,
    private readonly answer: (pdu: RtrPdu) => readonly RtrPdu[],
  ) {}

  async listen(): Promise<void> {
    const listener = await this.lab.host(this.address).transport.listen({ address: IpAddress.parse(this.address), port: PORT })
    void (async () => {
      for await (const connection of listener.connections) {
        this.connections++
        this.#connection = connection
        void this.#serve(connection)
      }
    })()
  }

  say(...pdus: readonly RtrPdu[]): void {
    for (const pdu of pdus) this.octets(encodeRtr(pdu))
  }

  octets(bytes: Uint8Array): void {
    this.#connection?.write(bytes)
  }

  reset(): void {
    this.#connection?.reset()
  }

  async #serve(connection: Connection): Promise<void> {
    try {
      let bytes = new Uint8Array()
      for await (const chunk of connection.chunks) {
        bytes = Uint8Array.of(...bytes, ...chunk)
        for (let length = rtrLength(bytes); length !== undefined && length <= bytes.length; length = rtrLength(bytes)) {
          const result = decodeRtr(bytes.subarray(0, length))
          if (!result.ok) throw new TypeError(result.error.code)
          this.asked.push(result.pdu)
          this.say(...this.answer(result.pdu))
          bytes = bytes.slice(length)
        }
      }
    } catch (error) {
      if (error instanceof TypeError) throw error
    }
  }
}

const payload = (text: string, as: number, maxLength?: number, announce = true, version = 1): RtrPdu => {
  const prefix = IpPrefix.parse(text)
  return { type: prefix.family === 4 ? 'ipv4-prefix' : 'ipv6-prefix', version, announce, prefix, maxLength: maxLength ?? prefix.length, as }
}
const answer = (serial: number, ...data: readonly RtrPdu[]): RtrPdu[] => [
  { type: 'cache-response', version: 1, session: 7 },
  ...data,
  { type: 'end-of-data', version: 1, session: 7, serial, intervals: INTERVALS },
]

async function learning(
  first: (pdu: RtrPdu) => readonly RtrPdu[],
  second?: (pdu: RtrPdu) => readonly RtrPdu[],
  told: () => void = () => undefined,
) {
  const lab = new Lab()
  const caches = [new Cache(lab, FIRST, first), ...(second === undefined ? [] : [new Cache(lab, SECOND, second)])]
  for (const cache of caches) await cache.listen()
  const changes: number[] = []
  const prefixes: (readonly IpPrefix[])[] = []
  const client: RtrClient = new RtrClient({
    caches: [FIRST, ...(second === undefined ? [] : [SECOND])].map((address) => ({ address: IpAddress.parse(address), port: PORT })),
    clock: lab.clock,
    random: seededRandom(9),
    transport: lab.host(R).transport,
    changed: (changed) => {
      changes.push(client.size)
      prefixes.push(changed)
      told()
    },
    logger: lab.logs,
  })
  client.start()
  await lab.run(1)
  const of = (text: string, as?: number): string => client.validate(IpPrefix.parse(text), as)
  return { lab, caches, client, changes, prefixes, of }
}

describe('a client of a cache', () => {
  it('asks for all, then for what is new when it is notified and when the time has come', async () => {
    let serial = 1
    const { lab, caches, client, changes, of } = await learning((pdu) => {
      if (pdu.type === 'reset-query') return answer(serial, payload('192.0.2.0/24', 65_000), payload('2001:db8::/32', 65_001, 48))
      return answer(++serial, payload('192.0.2.0/24', 65_000, 24, false), payload('198.51.100.0/24', 65_002))
    })
    const [cache] = caches
    expect(cache.asked).toEqual([{ type: 'reset-query', version: 1 }])
    expect([of('192.0.2.0/24', 65_000), of('192.0.2.0/24', 65_009), of('203.0.113.0/24', 65_000)]).toEqual([
      'valid',
      'invalid',
      'not-found',
    ])
    expect([of('2001:db8:1::/48', 65_001), of('2001:db8:1::/49', 65_001), of('2001:db8::/32')]).toEqual(['valid', 'invalid', 'invalid'])
    cache.say({ type: 'serial-notify', version: 1, session: 7, serial: 2 })
    await lab.run(1)
    expect(cache.asked.at(-1)).toEqual({ type: 'serial-query', version: 1, session: 7, serial: 1 })
    expect([of('192.0.2.0/24', 65_000), of('198.51.100.0/24', 65_002)]).toEqual(['not-found', 'valid'])
    await lab.run(101)
    expect(cache.asked.at(-1)).toEqual({ type: 'serial-query', version: 1, session: 7, serial: 2 })
    expect(changes).toEqual([2, 2])
    expect(client.size).toBe(2)
    await Promise.all([client.stop(), lab.run(1)])
  })

  it('goes on when who is told of a change throws', async () => {
    let serial = 0
    const { lab, caches, of, prefixes } = await learning(
      () => answer(++serial, payload(`192.0.${serial}.0/24`, 65_000)),
      undefined,
      () => {
        throw new TypeError('the disk is full')
      },
    )
    await lab.run(101)
    expect(caches[0].asked.map(({ type }) => type)).toEqual(['reset-query', 'serial-query'])
    expect([caches[0].connections, prefixes.length, of('192.0.2.0/24', 65_000)]).toEqual([1, 2, 'valid'])
    expect(lab.logs.records).toContainEqual(expect.objectContaining({ level: 'error', message: 'callback failed' }))
  })

  it('begins anew when the cache cannot go on from there', async () => {
    let rounds = 0
    const { lab, caches, of } = await learning((pdu) => {
      if (pdu.type === 'serial-query') return [{ type: 'cache-reset', version: 1 }]
      return answer(++rounds, payload(rounds === 1 ? '192.0.2.0/24' : '198.51.100.0/24', 65_000))
    })
    caches[0].say({ type: 'serial-notify', version: 1, session: 7, serial: 2 })
    await lab.run(1)
    expect(caches[0].asked.map(({ type }) => type)).toEqual(['reset-query', 'serial-query', 'reset-query'])
    expect([of('192.0.2.0/24', 65_000), of('198.51.100.0/24', 65_000)]).toEqual(['not-found', 'valid'])
  })

  it('never uses a part of an answer', async () => {
    const { lab, caches, of, changes } = await learning(() => answer(1).slice(0, 1))
    caches[0].say(payload('192.0.2.0/24', 65_000))
    await lab.run(1)
    expect([of('192.0.2.0/24', 65_000), changes.length]).toEqual(['not-found', 0])
    caches[0].say(...answer(1).slice(1))
    await lab.run(1)
    expect([of('192.0.2.0/24', 65_000), changes.length]).toEqual(['valid', 1])
  })

  it('speaks the older version with a cache that has no other', async () => {
    const { caches, of } = await learning((pdu) => {
      if (pdu.version === 1) return [{ type: 'error-report', version: 0, code: 4, pdu: new Uint8Array(), text: 'no version 1' }]
      return [
        { type: 'cache-response', version: 0, session: 1 },
        payload('192.0.2.0/24', 65_000, 24, true, 0),
        { type: 'end-of-data', version: 0, session: 1, serial: 4 },
      ]
    })
    expect(caches[0].asked.map(({ version }) => version)).toEqual([1, 0])
    expect(of('192.0.2.0/24', 65_000)).toBe('valid')
  })

  it('goes to the next cache when one is lost, keeps what it knows, and replaces it', async () => {
    const { lab, caches, client, of } = await learning(
      () => answer(1, payload('192.0.2.0/24', 65_000)),
      () => answer(1, payload('192.0.2.0/24', 65_001)),
    )
    caches[0].reset()
    await lab.run(0.5)
    expect(of('192.0.2.0/24', 65_000)).toBe('valid')
    await lab.run(5)
    expect([caches[1].connections, of('192.0.2.0/24', 65_000), of('192.0.2.0/24', 65_001)]).toEqual([1, 'invalid', 'valid'])
    expect(String(client.connected?.address)).toBe(SECOND)
  })

  it('asks a cache for all that refuses to go on from where another one was', async () => {
    let isNew = false
    const { lab, caches, of } = await learning((pdu) => {
      if (pdu.type === 'error-report') return []
      if (!isNew || pdu.type === 'reset-query') return answer(isNew ? 9 : 1, payload(isNew ? '198.51.100.0/24' : '192.0.2.0/24', 65_000))
      return [{ type: 'error-report', version: 1, code: 0, pdu: new Uint8Array(), text: 'another session' }]
    })
    isNew = true
    caches[0].reset()
    await lab.run(20)
    expect(caches[0].asked.map(({ type }) => type)).toEqual(['reset-query', 'serial-query', 'reset-query'])
    expect([of('192.0.2.0/24', 65_000), of('198.51.100.0/24', 65_000)]).toEqual(['not-found', 'valid'])
  })

  it('forgets what nobody confirms in time', async () => {
    let isMute = false
    const { lab, caches, client, changes, of } = await learning(() => (isMute ? [] : answer(1, payload('192.0.2.0/24', 65_000))))
    isMute = true
    await lab.run(590)
    expect(of('192.0.2.0/24', 65_000)).toBe('valid')
    await lab.run(20)
    expect([of('192.0.2.0/24', 65_000), client.size, changes]).toEqual(['not-found', 0, [1, 0]])
    expect(caches[0].connections).toBe(1)
  })

  it.each<[string, Uint8Array | RtrPdu]>([
    ['octets that are no PDU', Uint8Array.of(1, 99, 0, 0, 0, 0, 0, 8)],
    ['a length that cannot be', Uint8Array.of(1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)],
    ['data that nobody asked for', payload('192.0.2.0/24', 65_000)],
    ['an answer that nobody asked for', { type: 'cache-response', version: 1, session: 7 }],
  ])('tells the cache what is wrong with %s, and connects anew', async (_what, bad) => {
    const { lab, caches, of } = await learning(() => answer(1, payload('198.51.100.0/24', 65_000)))
    const [cache] = caches
    if (bad instanceof Uint8Array) cache.octets(bad)
    else cache.say(bad)
    await lab.run(1)
    expect(cache.asked.at(-1)).toMatchObject({ type: 'error-report' })
    await lab.run(5)
    expect(cache.connections).toBe(2)
    expect([of('192.0.2.0/24', 65_000), of('198.51.100.0/24', 65_000)]).toEqual(['not-found', 'valid'])
  })
})

it('routes are taken and left by what the cache says, without a word to the peer', async () => {
  let isValid = true
  const { lab, caches, client, changes } = await learning((pdu) =>
    pdu.type === 'reset-query'
      ? answer(1, payload('198.51.100.0/24', 65_001))
      : answer(2, payload('198.51.100.0/24', 65_001, 24, isValid), payload('198.51.100.0/24', 65_009, 24, !isValid)),
  )
  const importPolicy = 'term bad\n match validation invalid\n reject\notherwise accept'
  const r = lab.speaker(R, {
    originValidator: client,
    neighbors: [{ address: '192.0.2.9', as: 65_001, families: ['ipv4-unicast'], importPolicy }],
  })
  const peer = lab.speaker('192.0.2.9', { as: 65_001, neighbors: [{ address: R, as: 65_000, families: ['ipv4-unicast'] }] })
  await Promise.all([r.start(), peer.start()])
  peer.announce([unicast('198.51.100.0/24', '192.0.2.9')])
  await lab.until(() => isUp(r, '192.0.2.9'), 'the session')
  await lab.run(1)
  const invalid = (): (string | undefined)[] => [...r.routes({ family: 'ipv4-unicast' })].map((route) => route.invalid)
  expect(invalid()).toEqual([undefined])
  isValid = false
  caches[0].say({ type: 'serial-notify', version: 1, session: 7, serial: 2 })
  await lab.run(1)
  r.originsChanged()
  await lab.run(1)
  expect(invalid()).toEqual(['policy'])
  expect(changes.length).toBe(2)
})

it('a change of authorizations costs the routes that it is about, and no others (CVE-2024-55553)', async () => {
  const { lab, caches, client, prefixes } = await learning((pdu) =>
    pdu.type === 'reset-query'
      ? answer(1, payload('10.0.0.0/8', 65_001, 32))
      : answer(2, payload('10.1.0.0/24', 65_009, 24), payload('198.51.100.0/24', 65_009, 24)),
  )
  let validated = 0
  const originValidator: OriginValidator = { validate: (prefix, origin) => (validated++, client.validate(prefix, origin)) }
  const importPolicy = 'term bad\n match validation invalid\n reject\notherwise accept'
  const from = (address: string, more: Partial<NeighborConfig> = {}): NeighborConfig => ({
    address,
    as: 65_001,
    families: ['ipv4-unicast'],
    ...more,
  })
  const r = lab.speaker(R, { originValidator, neighbors: [from('192.0.2.9', { importPolicy }), from('192.0.2.10')] })
  const peers = ['192.0.2.9', '192.0.2.10'].map((address) =>
    lab.speaker(address, { as: 65_001, neighbors: [{ address: R, as: 65_000, families: ['ipv4-unicast'] }] }),
  )
  await Promise.all([r, ...peers].map((speaker) => speaker.start()))
  for (const [at, peer] of peers.entries()) {
    peer.announce(Array.from({ length: 1000 }, (_, host) => unicast(`10.1.${host >> 8}.${host & 255}/32`, `192.0.2.${9 + at}`)))
  }
  await lab.until(() => [...r.routes({ family: 'ipv4-unicast' })].length === 2000, 'the routes')
  expect(validated).toBeGreaterThanOrEqual(1000)
  validated = 0
  caches[0].say({ type: 'serial-notify', version: 1, session: 7, serial: 2 })
  await lab.run(1)
  expect(prefixes.at(-1)?.map(String)).toEqual(['10.1.0.0/24', '198.51.100.0/24'])
  r.originsChanged(prefixes.at(-1))
  await lab.run(1)
  expect(validated).toBe(256) // those of 10.1.0.0/24, of the one peer whose policy asks
})

test('a route is valid, invalid or not found as RFC 6811 says, word by word', () => {
  const prefix = fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 8 }))
    .map(([octet, length]) => IpPrefix.of(IpAddress.v4(octet << 24), length))
  const one = fc
    .tuple(prefix, fc.nat(3), fc.nat(3))
    .map(([at, more, as]): OriginAuthorization => ({ prefix: at, maxLength: at.length + more, as }))
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 12 }),
      fc.array(one, { maxLength: 4 }),
      prefix,
      fc.option(fc.nat(3), { nil: undefined }),
      (added, removed, route, origin) => {
        const set = new OriginAuthorizations()
        const same = (a: OriginAuthorization, b: OriginAuthorization): boolean =>
          a.prefix.equals(b.prefix) && a.maxLength === b.maxLength && a.as === b.as
        let model: OriginAuthorization[] = []
        for (const authorization of added) {
          expect(set.add(authorization)).toBe(!model.some((other) => same(other, authorization)))
          if (!model.some((other) => same(other, authorization))) model.push(authorization)
        }
        for (const authorization of removed) {
          expect(set.delete(authorization)).toBe(model.some((other) => same(other, authorization)))
          model = model.filter((other) => !same(other, authorization))
        }
        expect(set.size).toBe(model.length)
        const covering = model.filter(({ prefix: covers }) => covers.covers(route))
        const matches = covering.some(({ maxLength, as }) => origin !== undefined && as !== 0 && as === origin && route.length <= maxLength)
        expect(set.validate(route, origin)).toBe(matches ? 'valid' : covering.length > 0 ? 'invalid' : 'not-found')
      },
    ),
    { numRuns: 1000 },
  )
})
