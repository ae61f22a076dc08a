import type { LivenessObject } from '@heddle/core'
import { ManualClock, seededRandom } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { BfdSessions } from './sessions.js'

const A = IpAddress.parse('192.0.2.1')
const B = IpAddress.parse('192.0.2.2')

/** Two routers with a session each, and a wire between them. */
class Wire {
  readonly clock = new ManualClock()
  readonly told: string[] = []
  isCut = false
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
        if (this.isCut) return
        this.clock.setTimer(1, () => other().receive(remote, local, hops, this.ttl, packet))
      },
      changed: (_liveness, isUp) => this.told.push(`${name} ${isUp ? 'up' : 'down'}`),
    })
  }
}

function liveness(local: IpAddress, remote: IpAddress, more: Partial<LivenessObject> = {}): LivenessObject {
  return { id: 1, local, remote, hops: 'single', desiredMinTx: 100_000, requiredMinRx: 100_000, multiplier: 3, ...more }
}

function started(more: Partial<LivenessObject> = {}): Wire {
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

test('one hop away, what a router has passed is not believed (RFC 5881 §5); further away it is', () => {
  const passed = (more: Partial<LivenessObject>): string[] => {
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

test('a session that is removed sends nothing more, and the far end notices', () => {
  const wire = started()
  wire.a.remove(1)
  wire.clock.advance(301)
  expect(wire.told.slice(2)).toEqual(['b down'])
})
