import { TransportError, type ConnectOptions, type ListenOptions, type PeerProtection, type Transport } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  KEEPALIVE,
  SpeakerError,
  VPNV4_UNICAST,
  encodeMessage,
  type BfdPath,
  type BfdState,
  type NeighborConfig,
  type Speaker,
} from '../../src/index.js'
import { Lab, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'
import { SinkPeer, sinkTransport } from './sink-peers.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

async function pair(more: Partial<NeighborConfig> = {}, other: Partial<NeighborConfig> = {}, options: object = {}) {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B, more)], ...options })
  const b = lab.speaker(B, { neighbors: [internal(A, other)] })
  await Promise.all([a.start(), b.start()])
  await lab.until(() => isUp(a, B), 'the session')
  return { lab, a, b }
}
const announce = (speaker: Speaker, from: number, to: number): void =>
  speaker.announce(Array.from({ length: to - from }, (_, at) => vpn(`10.0.0.${from + at}/32`)))

describe('the number of routes that a peer may send (RFC 4486 §4)', () => {
  const limits = { maxPrefixes: { 'vpnv4-unicast': { limit: 10, warning: 50 } } } as const

  it('warns once on the way, and ends the session above it, for good', async () => {
    const { lab, a, b } = await pair(limits)
    const events: string[] = []
    a.events.on('max-prefixes', ({ family, count, limit, level }) => events.push(`${family.name} ${count}/${limit} ${level}`))
    announce(b, 0, 4)
    await lab.run(1)
    expect(events).toEqual([])
    announce(b, 4, 6)
    await lab.run(1)
    announce(b, 6, 10)
    await lab.run(1)
    expect(events).toEqual(['vpnv4-unicast 6/10 warning'])
    expect(isUp(a, B)).toBe(true)
    announce(b, 10, 11)
    await lab.run(1)
    expect(events).toEqual(['vpnv4-unicast 6/10 warning', 'vpnv4-unicast 11/10 exceeded'])
    expect(neighbor(a, B).lastNotification).toMatchObject({ direction: 'sent', code: 6, subcode: 1 })
    // AFI, SAFI and the limit
    expect([...(neighbor(b, A).lastNotification?.data ?? [])]).toEqual([0, 1, 128, 0, 0, 0, 10])
    expect(vpnRoutes(a)).toEqual([])
    await lab.run(300)
    expect([isUp(a, B), neighbor(a, B).established]).toEqual([false, 1])

    b.withdraw(Array.from({ length: 5 }, (_, at) => vpn(`10.0.0.${at}/32`)))
    a.resetNeighbor(B)
    await lab.run(20)
    expect(isUp(a, B)).toBe(true)
    expect(vpnRoutes(a)).toHaveLength(6)
  })

  it('lets it come back after a while where that is said', async () => {
    const { lab, a, b } = await pair({ maxPrefixes: { 'vpnv4-unicast': { limit: 2, restart: 60 } } })
    announce(b, 0, 3)
    await lab.run(50)
    expect([isUp(a, B), neighbor(a, B).established]).toEqual([false, 1])
    b.withdraw([vpn('10.0.0.0/32')])
    await lab.run(30)
    expect([isUp(a, B), neighbor(a, B).established]).toEqual([true, 2])
  })

  it('lets it come back when the limit is raised', async () => {
    const { lab, a, b } = await pair(limits)
    announce(b, 0, 20)
    await lab.run(20)
    expect(isUp(a, B)).toBe(false)
    expect(a.updateNeighbor(internal(B, { maxPrefixes: { 'vpnv4-unicast': { limit: 30 } } }))).toBe('applied')
    await lab.run(20)
    expect(isUp(a, B)).toBe(true)
  })

  it('only warns where that is said, and counts what policy rejects', async () => {
    const { lab, a, b } = await pair({ importPolicy: { terms: [] }, maxPrefixes: { 'vpnv4-unicast': { limit: 2, warnOnly: true } } })
    const levels: string[] = []
    a.events.on('max-prefixes', ({ level }) => levels.push(level))
    announce(b, 0, 5)
    await lab.run(1)
    b.withdraw(Array.from({ length: 5 }, (_, at) => vpn(`10.0.0.${at}/32`)))
    await lab.run(1)
    expect([isUp(a, B), levels]).toEqual([true, ['exceeded', 'below']])
  })
})

describe('dynamic neighbors', () => {
  const dynamic = {
    neighbors: [],
    dynamicNeighbors: [{ prefix: '192.0.2.0/24', as: 65000, families: ['vpnv4-unicast'], limit: 2 }],
  } as const

  it('are taken from their prefix up to a limit, and forgotten when they go', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { ...dynamic, neighbors: [], gracefulRestart: false })
    const others = ['192.0.2.11', '192.0.2.12', '192.0.2.13', '198.51.100.1'].map((address) =>
      lab.speaker(address, { neighbors: [internal(A)] }),
    )
    await a.start()
    for (const other of others) {
      await other.start()
      await lab.run(3)
    }
    others[0].announce([vpn('10.0.0.1/32')])
    await lab.run(5)
    expect(a.neighbors().map(({ address, state }) => `${address} ${state}`)).toEqual(['192.0.2.11 established', '192.0.2.12 established'])
    expect(vpnRoutes(others[1])).toEqual([])
    expect(vpnRoutes(a)).toHaveLength(1)

    await others[0].stop()
    await lab.run(30)
    expect(a.neighbors().map(({ address }) => address)).toEqual(['192.0.2.12', '192.0.2.13'])
    expect(vpnRoutes(a)).toEqual([])
  })

  it('stay as long as their routes wait for them', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { ...dynamic, neighbors: [] })
    const b = lab.speaker(B, { neighbors: [internal(A)], gracefulRestart: { restartTime: 30 } })
    await Promise.all([a.start(), b.start()])
    b.announce([vpn('10.0.0.1/32')])
    await lab.run(5)
    await b.stop({ graceful: true })
    await lab.run(20)
    expect(vpnRoutes(a)).toHaveLength(1)
    await lab.run(20)
    expect([vpnRoutes(a), a.neighbors()]).toEqual([[], []])
  })
})

/** A transport in memory that keeps what protection its last listener was asked for. @param opening what it does before it listens */
function protecting(inner: Transport, opening?: () => void) {
  const connects: ConnectOptions['protection'][] = []
  let listens: readonly PeerProtection[] | undefined
  let count = 0
  const transport: Transport = {
    connect({ protection, ...rest }: ConnectOptions) {
      connects.push(protection)
      return inner.connect(rest)
    },
    async listen({ protection, ...rest }: ListenOptions) {
      const mine = ++count
      listens = protection
      const listener = await inner.listen(rest)
      const protect = (peers: readonly PeerProtection[]): void => {
        if (mine === count) listens = peers
      }
      opening?.()
      return Object.assign(Object.create(listener) as typeof listener, {
        local: listener.local,
        connections: listener.connections,
        close: () => listener.close(),
        // as transports have simpler listeners for those who ask for nothing
        ...(protection === undefined ? {} : { protect }),
      })
    },
  }
  return { transport, connects, listening: () => (listens ?? []).map(({ peer, ...rest }) => ({ peer: String(peer), ...rest })) }
}

describe('protection of the streams', () => {
  const authentication = { kind: 'tcp-md5', key: 'secret' } as const

  it('is asked of the transport: TTL security, hops and keys, both ways', async () => {
    const lab = new Lab()
    const { transport, connects, listening } = protecting(lab.host(A).transport)
    const a = lab.speaker(A, { transport, neighbors: [internal(B, { ttlSecurity: 2, authentication })] })
    await a.start()
    await lab.run(1)
    const expected = { hopLimit: 255, minimumHopLimit: 254, authentication }
    expect(connects[0]).toEqual(expected)
    expect(listening()).toEqual([{ peer: B, ...expected }])
    a.addNeighbor(internal('192.0.2.9', { multihop: 5 }))
    expect(listening()).toEqual([
      { peer: B, ...expected },
      { peer: '192.0.2.9', hopLimit: 5 },
    ])
    a.removeNeighbor(B)
    expect(listening()).toEqual([{ peer: '192.0.2.9', hopLimit: 5 }])
    expect(JSON.stringify(a.neighbors())).not.toContain('secret')
  })

  it('is not done without where the transport has none', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { authentication })] })
    await expect(a.start()).rejects.toMatchObject({ code: 'speaker.listen', cause: { code: 'transport.unsupported' } })
    const b = lab.speaker(B, { listen: [], neighbors: [internal(A, { authentication })] })
    await b.start()
    await lab.run(1)
    expect(neighbor(b, A).lastError).toMatch(/transport\.unsupported/)
    expect(JSON.stringify(b.neighbors())).not.toContain('secret')
  })

  it.each([
    ['whose listener can be told', { ttlSecurity: 1 }],
    ['that needs another listener', {}],
  ])('is asked for a neighbor that comes while a place is opened: %s', async (_name, first) => {
    const lab = new Lab()
    const late = ['192.0.2.8', '192.0.2.9']
    // A neighbor was added behind the question for protection and before the listener was there to be told.
    const add = (): void => {
      const address = late.shift()
      if (address !== undefined) a.addNeighbor(internal(address, { authentication, passive: true }))
    }
    const { transport, listening } = protecting(lab.host(A).transport, add)
    const a: Speaker = lab.speaker(A, { transport, neighbors: [internal(B, { passive: true, ...first })] })
    await a.start()
    const protectedPeers = (): readonly string[] => listening().flatMap(({ peer, authentication: key }) => (key ? [peer] : []))
    expect(protectedPeers()).toContain('192.0.2.8')
    await a.setListen([{ address: A, port: 1790 }])
    expect(protectedPeers()).toEqual(['192.0.2.8', '192.0.2.9'])
    expect(a.listening).toEqual([{ address: A, port: 1790 }])
    await a.stop()
  })

  it('that a listener refuses for a neighbor that came while it was opened lets nothing start', async () => {
    const lab = new Lab()
    const { transport } = lab.host(A)
    const refused = new TransportError('transport.unsupported', 'the kernel is too old')
    const late = ['192.0.2.9']
    const a: Speaker = lab.speaker(A, {
      neighbors: [internal(B, { ttlSecurity: 1 })],
      transport: {
        connect: (options) => transport.connect(options),
        listen: async ({ protection: _protection, ...options }) => {
          const listener = await transport.listen(options)
          for (const address of late.splice(0)) a.addNeighbor(internal(address, { authentication }))
          const protect = (peers: readonly PeerProtection[]): void => {
            if (peers.some((peer) => peer.authentication !== undefined)) throw refused
          }
          return { local: listener.local, connections: listener.connections, close: () => listener.close(), protect }
        },
      },
    })
    await expect(a.start()).rejects.toMatchObject({ code: 'speaker.listen', cause: refused })
    expect(a.listening).toEqual([])
    a.removeNeighbor('192.0.2.9')
    await a.start()
    expect(a.listening).toEqual([{ address: A, port: 179 }])
    await a.stop()
  })
})

describe('BFD (RFC 5882, RFC 9384)', () => {
  it('ends the session at once when the way is down, and nothing when it is only no longer watched', async () => {
    const watched: { remote: IpAddress; tell: (state: BfdState) => void; stopped: boolean }[] = []
    const bfd = {
      watch: ({ remote }: { remote: IpAddress }, tell: (state: BfdState) => void) => {
        const entry = { remote, tell, stopped: false }
        watched.push(entry)
        return { stop: () => (entry.stopped = true) }
      },
    }
    const { lab, a, b } = await pair(
      { bfd: true, gracefulRestart: { notification: true } },
      { gracefulRestart: { notification: true } },
      { bfd },
    )
    announce(b, 0, 2)
    await lab.run(1)
    expect(watched.map(({ remote }) => String(remote))).toEqual([B])
    watched[0].tell('up')
    watched[0].tell('admin-down')
    await lab.run(1)
    expect(isUp(a, B)).toBe(true)
    watched[0].tell('down')
    await lab.run(0.01)
    expect([isUp(a, B), vpnRoutes(a)]).toEqual([false, []])
    expect(neighbor(a, B).lastNotification).toMatchObject({ direction: 'sent', code: 6, subcode: 10 })
    await lab.run(10)
    expect([isUp(a, B), vpnRoutes(a).length]).toEqual([true, 2])
    a.removeNeighbor(B)
    expect(watched.map(({ stopped }) => stopped)).toEqual([true])
  })

  it('follows the configuration without a session noticing', async () => {
    const paths: string[] = []
    const bfd = {
      watch: (path: BfdPath, tell: (state: BfdState) => void) => {
        const name = JSON.stringify({ ...path, remote: String(path.remote) })
        paths.push(`watch ${name}`)
        tell('up')
        return { stop: () => paths.push(`stop ${name}`) }
      },
    }
    const { lab, a } = await pair({}, {}, { bfd })
    const established = neighbor(a, B).established
    const change = async (options: NonNullable<NeighborConfig['bfd']>): Promise<void> => {
      const { config } = neighbor(a, B)
      await a.reconcile({ as: 65000, routerId: A, holdTime: 9, listen: [{ address: A }], neighbors: [{ ...config, bfd: options }] }).apply()
    }
    await change(true)
    expect(neighbor(a, B).bfd).toBe('up')
    await change({ hops: 'single', multiplier: 5 })
    await change(false)
    await lab.run(1)
    const found = `{"remote":"${B}"}`
    const told = `{"remote":"${B}","multihop":false,"intervals":{"multiplier":5}}`
    expect(paths).toEqual([`watch ${found}`, `watch ${told}`, `stop ${found}`, `stop ${told}`])
    expect(neighbor(a, B).bfd).toBeUndefined()
    expect([isUp(a, B), neighbor(a, B).established]).toEqual([true, established])
  })

  it('is not promised without a source, nor through a device where the source knows none', () => {
    const lab = new Lab()
    expect(() => lab.speaker(A, { neighbors: [internal(B, { bfd: true })] })).toThrow(SpeakerError)
    const bfd = { watch: () => ({ stop: () => undefined }) }
    expect(() => lab.speaker(B, { neighbors: [internal('fe80::1%eth0', { bfd: true })], bfd })).toThrow(
      /through a device, as that to fe80::1%eth0/,
    )
  })
})

describe('the send hold timer (RFC 9687)', () => {
  it('gives up a peer that takes nothing although it says keepalives', async () => {
    const lab = new Lab()
    const sink = new SinkPeer(B, { families: [VPNV4_UNICAST], holdTime: 9 })
    const a = lab.speaker(A, { transport: sinkTransport([sink]), neighbors: [internal(B, { passive: true, sendHoldTime: 20 })] })
    await a.start()
    sink.greet()
    const live = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) {
        sink.say(encodeMessage(KEEPALIVE))
        await lab.run(1)
      }
    }
    await live(60)
    expect(isUp(a, B)).toBe(true)
    sink.take(0)
    announce(a, 0, 3)
    await live(15)
    expect(isUp(a, B)).toBe(true)
    await live(30)
    expect(isUp(a, B)).toBe(false)
    expect(neighbor(a, B).lastNotification).toMatchObject({ direction: 'sent', code: 8 })
  })
})
