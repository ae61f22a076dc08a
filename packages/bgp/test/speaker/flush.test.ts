import { describe, expect, it } from 'vitest'
import { KEEPALIVE, RTC, VPNV4_UNICAST, type Speaker } from '../../src/index.js'
import { Lab, internal, isUp, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'
const many = (count: number, rt = '65000:1'): ReturnType<typeof vpn>[] =>
  Array.from({ length: count }, (_, at) => vpn(`10.${(at >>> 16) & 255}.${(at >>> 8) & 255}.${at & 255}/32`, { rt }))

async function pair(): Promise<{ lab: Lab; a: Speaker; b: Speaker }> {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B)] })
  const b = lab.speaker(B, { neighbors: [internal(A)] })
  await Promise.all([a.start(), b.start()])
  await lab.until(() => isUp(a, B) && isUp(b, A), 'established')
  return { lab, a, b }
}

/** Whether a promise is resolved once others had their turn; time stands still. */
async function state(lab: Lab, promise: Promise<void>): Promise<{ readonly resolved: boolean }> {
  const seen = { resolved: false }
  void promise.then(() => {
    seen.resolved = true
  })
  await lab.clock.settle()
  return seen
}

describe('pendingChanges', () => {
  it('is 0 without an iteration, and counts what one has not handed out', async () => {
    const { lab, a, b } = await pair()
    b.announce(many(3000))
    await lab.run(1)
    expect(a.pendingChanges).toBe(0)
    const iteration = a.changes[Symbol.asyncIterator]()
    expect(a.pendingChanges).toBe(3000)
    const first = await iteration.next()
    expect(first.done === true ? 0 : first.value.length + a.pendingChanges).toBe(3000)
    while (a.pendingChanges > 0) await iteration.next()
    b.withdraw(many(10))
    await lab.run(1)
    expect(a.pendingChanges).toBe(10)
    b.announce(many(5))
    await lab.run(1)
    expect(a.pendingChanges).toBe(10) // a path waits once however often it changes
    await iteration.return?.()
    expect(a.pendingChanges).toBe(0)
  })
})

describe('flushed', () => {
  it('resolves when the peer has been told, and a stop behind it does not overtake a withdrawal', async () => {
    const { lab, a, b } = await pair()
    a.announce(many(5000))
    const flushed = a.flushed()
    expect(await state(lab, flushed)).toEqual({ resolved: false })
    await lab.run(0.1)
    await flushed
    await lab.run(0.1)
    expect(vpnRoutes(b)).toHaveLength(5000)
    a.withdraw(many(4000))
    const again = a.flushed().then(() => a.stop({ graceful: true }))
    await lab.run(0.5)
    await again
    expect(isUp(b, A)).toBe(false)
    expect(vpnRoutes(b)).toHaveLength(1000) // kept as stale, without those that were taken back
  })

  it('does not wait for what comes later', async () => {
    const { lab, a } = await pair()
    let rounds = 0
    const flushed = await state(lab, a.flushed())
    for (; rounds < 100 && !flushed.resolved; rounds++) {
      a.announce(many(600, `65000:${rounds + 1}`))
      await lab.clock.settle()
      lab.clock.advanceToNext()
      await lab.clock.settle()
    }
    expect(rounds).toBeLessThan(20)
  })

  it('gives up after its time when a peer takes nothing', async () => {
    const { lab, a } = await pair()
    lab.network.cut(lab.host(A), lab.host(B))
    a.announce(many(60_000))
    const short = await state(lab, a.flushed({ timeout: 200 }))
    const long = await state(lab, a.flushed())
    await lab.run(0.19)
    expect([short.resolved, long.resolved]).toEqual([false, false])
    await lab.run(0.02)
    expect([short.resolved, long.resolved]).toEqual([true, false])
    await lab.run(0.8)
    expect(long.resolved).toBe(true)
  })

  it('does not wait for a family that is held back', async () => {
    const lab = new Lab()
    const families = ['vpnv4-unicast', 'rtc'] as const
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, families })] })
    await a.start()
    const puppet = await Puppet.connect(lab, B, A)
    puppet.open(B, 90, { families: [VPNV4_UNICAST, RTC] })
    await lab.run(0.1)
    puppet.send(KEEPALIVE)
    await lab.run(0.1)
    expect(isUp(a, B)).toBe(true)
    a.announce(many(10))
    const flushed = await state(lab, a.flushed())
    await lab.run(0.1)
    expect(flushed.resolved).toBe(true)
    expect([...a.routes({ family: VPNV4_UNICAST, neighbor: B, direction: 'out' })]).toEqual([]) // its memberships are awaited
  })

  it('is over when the session is, when the speaker stops, and at once where nothing waits', async () => {
    const { lab, a, b } = await pair()
    expect(await state(lab, a.flushed())).toEqual({ resolved: true })
    lab.network.cut(lab.host(A), lab.host(B))
    a.announce(many(60_000))
    const down = await state(lab, a.flushed({ timeout: 1e6 }))
    await lab.run(0.1)
    expect(down.resolved).toBe(false)
    a.removeNeighbor(B)
    await lab.clock.settle()
    expect(down.resolved).toBe(true)
    b.announce(many(60_000))
    const stopped = await state(lab, b.flushed({ timeout: 1e6 }))
    expect(stopped.resolved).toBe(false)
    await b.stop()
    await lab.clock.settle()
    expect(stopped.resolved).toBe(true)
    expect(await state(lab, b.flushed())).toEqual({ resolved: true })
  })
})
