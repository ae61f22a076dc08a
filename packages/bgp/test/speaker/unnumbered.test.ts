import type { Connection, Endpoint, RouterDiscovery, RouterNews, Transport } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { Recorder, SpeakerError, replay, type BfdSource, type NeighborConfig, type Speaker } from '../../src/index.js'
import { Lab, isUp, neighbor, show, vpn } from './lab.js'

/* Unnumbered peers: named by their device, found by what routers there advertise. Routers of one device named eth0 each, on one link. */

const [A, B, C] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'] as const
const [HERE, THERE, ELSEWHERE] = ['fe80::1', 'fe80::2', 'fe80::3'] as const
const LINK = '%eth0'

/** What a test says that routers advertise. */
class Advertisements implements RouterDiscovery {
  readonly #told = new Set<(news: RouterNews) => void>()

  watch(device: string, told: (news: RouterNews) => void): { stop(): void } {
    expect(device).toBe('eth0')
    this.#told.add(told)
    return { stop: () => this.#told.delete(told) }
  }

  get watching(): boolean {
    return this.#told.size > 0
  }

  hear(address: string): void {
    for (const told of this.#told) told({ kind: 'router', address: IpAddress.parse(address) })
  }

  fail(message: string): void {
    for (const told of this.#told) told({ kind: 'fault', message })
  }
}

/** A transport whose only device is eth0. */
function onDevice(inner: Transport): Transport {
  const bare = ({ zone: _zone, ...end }: Endpoint): Endpoint => end
  const zoned = (end: Endpoint): Endpoint => ({ ...end, zone: 'eth0' })
  const named = (connection: Connection): Connection =>
    new Proxy(connection, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target)
        if (key === 'remote' || key === 'local') return zoned(value as Endpoint)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return {
    connect: async ({ remote, ...rest }) => {
      expect(remote.zone).toBe('eth0')
      return named(await inner.connect({ ...rest, remote: bare(remote) }))
    },
    listen: async (options) => {
      const listener = await inner.listen(options)
      const connections = async function* (): AsyncGenerator<Connection> {
        for await (const connection of listener.connections) yield named(connection)
      }
      return { local: listener.local, close: () => listener.close(), connections: connections() }
    },
  }
}

const unnumbered = (more: Partial<NeighborConfig> = {}): NeighborConfig => ({
  address: LINK,
  as: 65000,
  families: ['vpnv4-unicast'],
  connectRetry: 1,
  ...more,
})

function router(
  lab: Lab,
  routerId: string,
  address: string,
  more: Partial<NeighborConfig> = {},
  world: { readonly recorder?: Recorder; readonly bfd?: BfdSource } = {},
) {
  const advertisements = new Advertisements()
  const transport = onDevice(lab.network.host(address, address).transport)
  const speaker = lab.speaker(routerId, {
    transport,
    listen: [{ address }],
    neighbors: [unnumbered(more)],
    routerDiscovery: advertisements,
    ...world,
  })
  return { speaker, advertisements }
}

const received = (speaker: Speaker): string[] => [...speaker.routes({ family: 'vpnv4-unicast', neighbor: LINK })].map(show)

describe('a peer that is named by its device alone', () => {
  it('is found by what it advertises, whoever hears the other first', async () => {
    const lab = new Lab()
    const a = router(lab, A, HERE)
    const b = router(lab, B, THERE)
    b.speaker.announce([vpn('10.0.0.1/32')])
    await a.speaker.start()
    await b.speaker.start()
    await lab.run(5)
    expect(neighbor(a.speaker, LINK)).toMatchObject({ state: expect.not.stringContaining('established') })
    expect(neighbor(a.speaker, LINK).lastError).toBe('no router has been heard on eth0')
    expect(neighbor(a.speaker, LINK).remoteAddress).toBeUndefined()
    a.advertisements.hear(THERE) // b knows nobody yet, and refuses
    await lab.run(5)
    expect(isUp(a.speaker, LINK)).toBe(false)
    b.advertisements.hear(HERE)
    await lab.until(() => isUp(a.speaker, LINK) && isUp(b.speaker, LINK) && received(a.speaker).length === 1, 'the route')
    expect(String(neighbor(a.speaker, LINK).remoteAddress)).toBe(THERE)
    expect(received(a.speaker)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${THERE}`])
    await a.speaker.stop()
    expect(a.advertisements.watching).toBe(false)
  })

  it('is another router only once the session with the first is over', async () => {
    const lab = new Lab()
    const a = router(lab, A, HERE)
    const b = router(lab, B, THERE)
    const c = router(lab, C, ELSEWHERE)
    for (const { speaker } of [a, b, c]) await speaker.start()
    for (const { advertisements } of [b, c]) advertisements.hear(HERE)
    a.advertisements.hear(THERE)
    await lab.until(() => isUp(a.speaker, LINK), 'the session with b')
    a.advertisements.hear(ELSEWHERE)
    await lab.run(20)
    expect([isUp(a.speaker, LINK), neighbor(a.speaker, LINK).established]).toEqual([true, 1])
    expect(String(neighbor(a.speaker, LINK).remoteAddress)).toBe(THERE)
    await b.speaker.stop()
    await lab.until(() => isUp(c.speaker, LINK), 'the session with c')
    expect(String(neighbor(a.speaker, LINK).remoteAddress)).toBe(ELSEWHERE)
  })

  it('is watched by BFD at the address at which it is, on its link (RFC 5881 §4)', async () => {
    const lab = new Lab()
    const paths: string[] = []
    const told = new Set<(state: 'up' | 'down') => void>()
    const bfd: BfdSource = {
      devices: true,
      watch: ({ remote, device, multihop }, changed) => {
        const path = `${remote}%${device} ${multihop}`
        paths.push(path)
        told.add(changed)
        return { stop: () => void (told.delete(changed), paths.push(`no more ${path}`)) }
      },
    }
    const a = router(lab, A, HERE, { bfd: true }, { bfd })
    const b = router(lab, B, THERE)
    await Promise.all([a.speaker.start(), b.speaker.start()])
    expect(paths).toEqual([])
    a.advertisements.hear(THERE)
    b.advertisements.hear(HERE)
    await lab.until(() => isUp(a.speaker, LINK), 'the session')
    expect(paths).toEqual([`${THERE}%eth0 false`])
    for (const changed of told) changed('up')
    expect(neighbor(a.speaker, LINK)).toMatchObject({ bfd: 'up', state: 'established' })
    a.advertisements.hear(ELSEWHERE) // it is there once the session with the first is over
    expect(paths).toHaveLength(1)
    for (const changed of told) changed('down')
    await lab.run(0)
    expect(paths).toEqual([`${THERE}%eth0 false`, `${ELSEWHERE}%eth0 false`, `no more ${THERE}%eth0 false`])
    expect(neighbor(a.speaker, LINK).lastNotification).toMatchObject({ code: 6, subcode: 10 })
    await a.speaker.stop()
    expect([told.size, paths.at(-1)]).toEqual([0, `no more ${ELSEWHERE}%eth0 false`])
  })

  it('says why nobody can be heard', async () => {
    const lab = new Lab()
    const { speaker, advertisements } = router(lab, A, HERE)
    await speaker.start()
    advertisements.fail('no link eth0')
    await lab.run(3)
    expect(neighbor(speaker, LINK).lastError).toBe('no link eth0')
  })

  it('is not promised without discovery, and a neighbor without address or device not at all', () => {
    const lab = new Lab()
    expect(() => lab.speaker(A, { neighbors: [unnumbered()] })).toThrow(SpeakerError)
    expect(() => lab.speaker(B, { neighbors: [unnumbered({ address: '%' })], routerDiscovery: new Advertisements() })).toThrow(SpeakerError)
  })

  it('is the same in the replay of a recording', async () => {
    const lab = new Lab()
    const recorder = new Recorder(lab.clock)
    const a = router(lab, A, HERE, {}, { recorder })
    const b = router(lab, B, THERE)
    b.speaker.announce([vpn('10.0.0.1/32')])
    for (const { speaker } of [a, b]) await speaker.start()
    a.advertisements.hear(THERE)
    b.advertisements.hear(HERE)
    await lab.until(() => received(a.speaker).length === 1, 'the route')
    const again = new Lab()
    const config = { as: 65000, routerId: A, holdTime: 9, listen: [{ address: HERE }], neighbors: [unnumbered()] }
    const copy = await replay(recorder.inputs, { clock: again.clock, config })
    expect([received(copy), String(neighbor(copy, LINK).remoteAddress)]).toEqual([received(a.speaker), THERE])
  })
})
