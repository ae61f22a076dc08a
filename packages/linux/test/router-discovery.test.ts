import type { Clock, RouterDiscovery, RouterNews } from '@heddle/io'
import { nodeClock } from '@heddle/io/node'
import { ManualClock, seededRandom } from '@heddle/io/testing'
import { IpAddress, type Icmpv6Message } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Netlink, linuxRouterDiscovery, type NetworkNamespace } from '../src/index.js'
import { RouterProtocol } from '../src/router-discovery/router-protocol.js'
import { because, eventually, missing, namespaces } from './support.js'

const [LEFT, RIGHT] = ['fe80::1', 'fe80::2'].map((text) => IpAddress.parse(text)) as [IpAddress, IpAddress]

/** Twenty times as fast as the others'. */
const HASTY: Clock = { now: () => nodeClock.now(), setTimer: (delay, fire) => nodeClock.setTimer(delay / 20, fire) }

describe('router discovery on one link', () => {
  const advertisement: Icmpv6Message = {
    type: 'router-advertisement',
    hopLimit: 0,
    flags: 0,
    lifetime: 0,
    reachableTime: 0,
    retransTimer: 0,
  }
  interface End {
    readonly protocol: RouterProtocol
    readonly sent: { readonly at: number; readonly type: Icmpv6Message['type']; readonly to: string }[]
    readonly heard: string[]
  }

  /** Ends of one cable; whoever is put on it hears what the others send from then on. */
  function cable(clock: ManualClock): (address: IpAddress, seed: number) => End {
    const ends: { readonly address: IpAddress; readonly end: End }[] = []
    return (address, seed) => {
      const end: End = {
        sent: [],
        heard: [],
        protocol: new RouterProtocol({
          clock,
          random: seededRandom(seed),
          send: (message, to) => {
            end.sent.push({ at: clock.now(), type: message.type, to: String(to) })
            for (const other of ends) {
              if (other.end === end || !(to.isMulticast || to.equals(other.address))) continue
              clock.setTimer(1, () => other.end.protocol.received({ message, source: address, hopLimit: 255 }))
            }
          },
          heard: (router) => end.heard.push(String(router)),
        }),
      }
      ends.push({ address, end })
      return end
    }
  }

  it('knows the other end as soon as both are there, and tells of it once', async () => {
    const clock = new ManualClock()
    const join = cable(clock)
    const left = join(LEFT, 1)
    left.protocol.start()
    await clock.run(3000)
    const right = join(RIGHT, 2)
    right.protocol.start()
    await clock.run(2)
    expect([left.heard, right.heard]).toEqual([[String(RIGHT)], [String(LEFT)]])
    await clock.run(60_000)
    expect([left.heard, right.heard]).toEqual([[String(RIGHT)], [String(LEFT)]])
    right.protocol.stop()
    left.protocol.stop()
    expect(clock.pending).toEqual([])
  })

  // A socket that can send nothing is of no use any more, and another one is made: timers of the one before sent into the void for ever, and held the process.
  it.each([0, 1, 2, 3])('is over where it is stopped by what cannot be sent, message %i', async (last) => {
    const clock = new ManualClock()
    const heard: string[] = []
    let sent = 0
    const protocol: RouterProtocol = new RouterProtocol({
      clock,
      random: seededRandom(4),
      send: () => {
        if (sent++ === last) protocol.stop()
      },
      heard: (router) => heard.push(String(router)),
    })
    protocol.start()
    if (last === 2) protocol.received({ message: advertisement, source: RIGHT, hopLimit: 255 })
    await clock.run(20_000)
    expect([sent, clock.pending, heard]).toEqual([last + 1, [], []])
    for (const message of [advertisement, { type: 'router-solicitation' } as const])
      protocol.received({ message, source: RIGHT, hopLimit: 255 })
    expect([sent, clock.pending, heard]).toEqual([last + 1, [], []])
  })

  it('asks three times, and advertises at most every 3 and at least every 10 seconds (RFC 4861 §6.2.4, §6.3.7)', async () => {
    const clock = new ManualClock()
    const alone = cable(clock)(LEFT, 3)
    alone.protocol.start()
    await clock.run(300_000)
    alone.protocol.stop()
    expect(alone.sent.filter(({ type }) => type === 'router-solicitation').map(({ at, to }) => [at, to])).toEqual(
      [0, 4000, 8000].map((at) => [at, 'ff02::2']),
    )
    const times = alone.sent.filter(({ type }) => type === 'router-advertisement').map(({ at }) => at)
    const gaps = times.slice(1).map((at, index) => at - times[index])
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(3000)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000)
  })

  it('answers who asks within half a second, and believes nothing that came through a router or from no link-local address', async () => {
    const clock = new ManualClock()
    const { protocol, sent, heard } = cable(clock)(LEFT, 4)
    const advertisement: Icmpv6Message = {
      type: 'router-advertisement',
      hopLimit: 64,
      flags: 0,
      lifetime: 1800,
      reachableTime: 0,
      retransTimer: 0,
    }
    for (const [message, source, hopLimit] of [
      [advertisement, RIGHT, 254],
      [advertisement, IpAddress.parse('2001:db8::2'), 255],
      [{ type: 'router-solicitation' } as const, RIGHT, 64],
      [{ type: 'router-solicitation' } as const, IpAddress.parse('::'), 255],
    ] as const) {
      protocol.received({ message, source, hopLimit })
    }
    await clock.run(1000)
    expect([sent, heard]).toEqual([[], []])
    protocol.received({ message: { type: 'router-solicitation' }, source: RIGHT, hopLimit: 255 })
    await clock.run(500)
    expect(sent.map(({ type, to }) => [type, to])).toEqual([['router-advertisement', String(RIGHT)]])
  })
})

describe.skipIf(missing !== '')(`router discovery by ICMPv6${because}`, () => {
  const made = namespaces()
  const ends: NetworkNamespace[] = []
  const stops: (() => void)[] = []

  beforeAll(async () => {
    ends.push(await made.create(), await made.create())
  })

  afterAll(() => {
    for (const stop of stops) stop()
  })

  const cable = async (): Promise<void> => {
    for (const [at, namespace] of ends.entries()) {
      const netlink = await Netlink.open(namespace)
      if (at === 0) await netlink.links.createVeth({ name: 'eth0', peer: 'eth0', peerNamespace: ends[1] })
      await netlink.links.change('eth0', { linkLocal: false })
      await netlink.addresses.add('eth0', `${at === 0 ? LEFT : RIGHT}/64`, { noDad: true })
      await netlink.links.change('eth0', { up: true })
      netlink.close()
    }
  }
  const watch = (discovery: RouterDiscovery): RouterNews[] => {
    const news: RouterNews[] = []
    const watched = discovery.watch('eth0', (one) => news.push(one))
    stops.push(() => watched.stop())
    return news
  }
  const routers = (news: readonly RouterNews[]): string[] => news.flatMap((one) => (one.kind === 'router' ? [String(one.address)] : []))

  it('says what device it waits for, and finds the other end once it is there, also when it is plugged in again', async () => {
    const [left, right] = ends.map((namespace) => watch(linuxRouterDiscovery({ namespace, clock: HASTY }))) as [RouterNews[], RouterNews[]]
    const fault = await eventually('a word about the device', () => left.find(({ kind }) => kind === 'fault'))
    expect(fault).toMatchObject({ kind: 'fault', message: expect.stringContaining('ENODEV') })
    await cable()
    await eventually('both', () => (routers(left).length > 0 && routers(right).length > 0) || undefined)
    expect([routers(left), routers(right)]).toEqual([[String(RIGHT)], [String(LEFT)]])
    const netlink = await Netlink.open(ends[0])
    await netlink.links.delete('eth0')
    netlink.close()
    await cable()
    await eventually('both again', () => (routers(left).length > 1 && routers(right).length > 1) || undefined)
  })
})
