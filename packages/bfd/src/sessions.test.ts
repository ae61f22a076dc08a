import { ManualClock, seededRandom } from '@heddle/io/testing'
import { BFD_PACKET_SIZE, IpAddress, encodeBfdPacket, type BfdState } from '@heddle/wire'
import { expect, test } from 'vitest'
import { BfdSessions, type SavedBfdSession } from './sessions.js'
import type { WatchedPath } from './watched-path.js'

const A = IpAddress.parse('192.0.2.1')
const B = IpAddress.parse('192.0.2.2')

/** Two routers with a session each, and a wire between them. */
class Wire {
  readonly clock = new ManualClock()
  readonly told: string[] = []
  isCut = false
  /** Nothing that this one sends arrives. */
  mute: string | undefined
  ttl = 255
  packets = 0
  readonly a = this.#end('a', 1, () => this.b)
  readonly b: BfdSessions = this.#end('b', 2, () => this.a)

  #end(name: string, seed: number, other: () => BfdSessions): BfdSessions {
    return new BfdSessions({
      clock: this.clock,
      random: seededRandom(seed),
      send: ({ local, remote, hops }, packet) => {
        this.packets++
        if (this.isCut || this.mute === name) return
        this.clock.setTimer(1, () => other().receive(remote, local, hops, this.ttl, packet))
      },
      changed: (_path, state) => this.told.push(`${name} ${state}`),
    })
  }
}

function liveness(local: IpAddress, remote: IpAddress, more: Partial<WatchedPath> = {}): WatchedPath {
  return { id: 1, local, remote, hops: 'single', desiredMinTx: 100_000, requiredMinRx: 100_000, multiplier: 3, ...more }
}

function started(more: Partial<WatchedPath> = {}): Wire {
  const wire = new Wire()
  wire.a.set(liveness(A, B, more))
  wire.b.set(liveness(B, A, more))
  wire.clock.advance(5000)
  return wire
}

test('two ends come up, and stay as long as they hear each other', () => {
  const wire = started()
  expect(wire.told.toSorted()).toEqual(['a up', 'b up'])
  wire.clock.advance(60_000)
  expect(wire.told).toHaveLength(2)
})

test('the end of a wire is noticed within three intervals, its return within seconds', () => {
  const wire = started()
  wire.isCut = true
  wire.clock.advance(301)
  expect(wire.told.slice(2).toSorted()).toEqual(['a down', 'b down'])
  wire.isCut = false
  wire.clock.advance(5000)
  expect(wire.told.slice(4).toSorted()).toEqual(['a up', 'b up'])
})

test('an up session sends at the rate that both agreed on, with up to a quarter less', () => {
  const wire = started()
  wire.packets = 0
  wire.clock.advance(10_000)
  expect(wire.packets).toBeGreaterThanOrEqual(200)
  expect(wire.packets).toBeLessThan(275)
})

/** What somebody sends who knows both addresses and no discriminator. Times are as long as a packet can say, or none. */
function forged(random: () => number): Uint8Array {
  const bytes = new Uint8Array(BFD_PACKET_SIZE)
  const view = new DataView(bytes.buffer)
  bytes.set([(1 << 5) | (random() % 9), ((random() & 3) << 6) | (random() & 0x3a), 1 + (random() % 255), BFD_PACKET_SIZE])
  const your = random() % 4 === 0 ? random() : 0
  const words = [random(), your, random() % 2 === 0 ? 0xffff_ffff : random() % 2, random() % 2 === 0 ? 0xffff_ffff : 0, 0]
  words.forEach((word, index) => view.setUint32(4 + 4 * index, word))
  return bytes
}

test.each(Array.from({ length: 50 }, (_, seed) => seed))(
  'over several hops, nobody ends a session who does not know it (seed %i)',
  (seed) => {
    const random = seededRandom(1000 + seed)
    const draw = (): number => random.uint32()
    const wire = started({ hops: 'multiple' })
    const before = wire.a.list()
    for (let packet = 0; packet < 500; packet++) {
      wire.a.receive(A, B, 'multiple', 60, forged(draw))
      wire.b.receive(B, A, 'multiple', 60, forged(draw))
      wire.clock.advance(draw() % 50)
    }
    expect(wire.told.toSorted()).toEqual(['a up', 'b up'])
    expect(wire.a.list()).toEqual(before)
    wire.isCut = true
    const lie = wire.clock.setTimer(150, () => wire.a.receive(A, B, 'multiple', 60, forged(draw)))
    wire.clock.advance(301)
    lie.cancel()
    expect(wire.told.slice(2).toSorted()).toEqual(['a down', 'b down'])
  },
)

test.each(Array.from({ length: 50 }, (_, seed) => seed))(
  'over several hops, sessions come up beside packets of others (seed %i)',
  (seed) => {
    const random = seededRandom(2000 + seed)
    const draw = (): number => random.uint32()
    const wire = new Wire()
    wire.a.set(liveness(A, B, { hops: 'multiple' }))
    wire.b.set(liveness(B, A, { hops: 'multiple' }))
    for (let packet = 0; packet < 10; packet++) {
      wire.a.receive(A, B, 'multiple', 60, forged(draw))
      wire.b.receive(B, A, 'multiple', 60, forged(draw))
      wire.clock.advance(2000)
    }
    expect(wire.told.toSorted()).toEqual(['a up', 'b up'])
  },
)

test.each([
  ['single', 1001],
  ['multiple', 301],
] as const)('an end that begins anew is noticed, %s hop(s) away, and gets its session back', (hops, patience) => {
  const wire = started({ hops })
  wire.b.close()
  wire.clock.advance(50)
  wire.b.set(liveness(B, A, { hops }))
  wire.clock.advance(patience)
  expect(wire.told[2]).toBe('a down')
  wire.clock.advance(3000)
  expect(wire.told.slice(3).toSorted()).toEqual(['a up', 'b up'])
})

// The end that hears nothing has forgotten whom it was with, and the other one believes only who names its session.
test.each(['single', 'multiple'] as const)('a path that is cut one way is down at both ends once one of them knows (%s)', (hops) => {
  const wire = started({ hops })
  wire.mute = 'b'
  wire.clock.advance(302)
  expect(wire.told.slice(2)).toEqual(['a down', 'b down'])
  wire.clock.advance(60_000)
  expect(wire.told).toHaveLength(4)
  wire.mute = undefined
  wire.clock.advance(5000)
  expect(wire.told.slice(4).toSorted()).toEqual(['a up', 'b up'])
})

test('one hop away, what a router has passed is not believed (RFC 5881 §5); further away it is', () => {
  const passed = (more: Partial<WatchedPath>): string[] => {
    const wire = new Wire()
    wire.ttl = 254
    wire.a.set(liveness(A, B, more))
    wire.b.set(liveness(B, A, more))
    wire.clock.advance(5000)
    return wire.told
  }
  expect(passed({ hops: 'single' })).toEqual([])
  expect(passed({ hops: 'multiple' }).toSorted()).toEqual(['a up', 'b up'])
})

test.each(['single', 'multiple'] as const)(
  'a session that is removed says so, which is nothing that happened to the path (RFC 5880 §6.8.16), and sends nothing more (%s)',
  (hops) => {
    const wire = started({ hops })
    wire.a.remove(1)
    wire.clock.advance(301)
    expect(wire.told.slice(2)).toEqual(['b admin-down'])
    wire.b.close()
    wire.packets = 0
    wire.clock.advance(10_000)
    expect(wire.packets).toBe(0)
  },
)

test('sessions that are closed without a word are missed', () => {
  const wire = started()
  wire.a.close()
  wire.clock.advance(301)
  expect(wire.told.slice(2)).toEqual(['b down'])
})

test.each<[string, Partial<WatchedPath>, number]>([
  ['less often', { desiredMinTx: 400_000, requiredMinRx: 400_000 }, 1200],
  ['more often', { desiredMinTx: 20_000, requiredMinRx: 20_000 }, 300],
  ['with another multiplier', { multiplier: 7 }, 700],
])('a session that is to watch %s goes on, and is as quick as it says when the far end knows (§6.8.3)', (_, more, patience) => {
  const wire = started()
  wire.a.set(liveness(A, B, more))
  wire.clock.advance(5000)
  expect(wire.told).toHaveLength(2)
  const [ours, theirs] = [wire.a.list()[0], wire.b.list()[0]]
  expect(ours.transmitInterval).toBe(Math.max(more.desiredMinTx ?? 0, 100_000))
  expect(theirs.detectionTime).toBe(patience * 1000)
  wire.isCut = true
  wire.clock.advance(patience + 1)
  expect(wire.told).toContain('b down')
})

test('an end that takes packets seldom until it is up, as FRR does, gets them as often as it says from then on', () => {
  const clock = new ManualClock()
  const sent: number[] = []
  const us = new BfdSessions({ clock, random: seededRandom(1), send: () => sent.push(clock.now()), changed: () => undefined })
  us.set(liveness(A, B))
  const [discriminator] = us.list().map((session) => session.discriminator)
  const hear = (state: BfdState, requiredMinRxInterval: number): void => {
    const bytes = new Uint8Array(BFD_PACKET_SIZE)
    const numbers = { detectMultiplier: 3, myDiscriminator: 7, yourDiscriminator: discriminator, desiredMinTxInterval: 100_000 }
    const flags = { diagnostic: 0, poll: false, final: false, controlPlaneIndependent: false, demand: false }
    encodeBfdPacket({ ...flags, ...numbers, state, requiredMinRxInterval, requiredMinEchoRxInterval: 0 }, new DataView(bytes.buffer), 0)
    us.receive(A, B, 'single', 255, bytes)
  }
  const sentWithin = (milliseconds: number): number => {
    sent.length = 0
    clock.advance(milliseconds)
    return sent.length
  }
  hear('init', 1_000_000)
  hear('up', 100_000)
  expect(sentWithin(290)).toBeGreaterThanOrEqual(2)
  // One that wants nothing for a while gets nothing, and then again (§6.8.1).
  hear('up', 0)
  expect(sentWithin(290)).toBe(0)
  hear('up', 100_000)
  expect(sentWithin(290)).toBeGreaterThanOrEqual(2)
})

test('sessions go on in another process, and the far end does not notice', () => {
  const wire = started()
  const saved = JSON.parse(JSON.stringify(wire.a.save())) as SavedBfdSession[]
  wire.a.close()
  wire.clock.advance(150)
  wire.a.resume([liveness(A, B)], saved)
  wire.clock.advance(60_000)
  expect(wire.told).toHaveLength(2)
  wire.isCut = true
  wire.clock.advance(301)
  expect(wire.told.slice(2).toSorted()).toEqual(['a down', 'b down'])
})

test('who is told of a session and throws costs it nothing', () => {
  const clock = new ManualClock()
  const saved: SavedBfdSession[] = []
  const path = liveness(A, B)
  const far: BfdSessions = new BfdSessions({
    clock,
    random: seededRandom(2),
    send: (_path, packet) => clock.setTimer(1, () => receive(packet)),
    changed: () => undefined,
  })
  const near: BfdSessions = new BfdSessions({
    clock,
    random: seededRandom(1),
    send: (_path, packet) => clock.setTimer(1, () => far.receive(B, A, 'single', 255, packet)),
    changed: () => {
      throw new TypeError('nobody catches this')
    },
    stepped: (session) => saved.push(session),
  })
  let thrown = 0
  const receive = (packet: Uint8Array): void => {
    try {
      near.receive(A, B, 'single', 255, packet)
    } catch {
      thrown++
    }
  }
  far.set(liveness(B, A))
  near.set(path)
  clock.advance(60_000)
  expect(thrown).toBe(1)
  expect([near, far].map((sessions) => sessions.list()[0]?.state)).toEqual(['up', 'up'])
  expect(saved.at(-1)?.session.state).toBe('up')
})
