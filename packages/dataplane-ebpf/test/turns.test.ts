import type { FibTransaction } from '@heddle/core'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { missing, titled } from './support/requirements.js'
import { PODS, podTransaction, RouterLab } from './support/router-lab.js'

/** How often links are looked at, milliseconds. */
const LOOK_INTERVAL = 1000

/** Something that ends when it is told to. */
function held(): { readonly until: Promise<void>; readonly end: () => void } {
  let end = (): void => undefined
  const until = new Promise<void>((resolve) => (end = resolve))
  return { until, end: () => end() }
}

describe.skipIf(missing() !== '')(titled('an eBPF dataplane that does one thing after the other'), () => {
  const lab = new RouterLab('turns', { fibBlocks: 1024, routes: 1024 })
  const warn = vi.fn<Logger['warn']>()
  let router: EbpfRouter
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    router = await lab.open({ logger: { ...silentLogger, warn } })
    await router.apply(podTransaction(1))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  /** Resolves when all have had their turns that wait for them. */
  const turnsHad = (): Promise<void> => router.detachPort(7)
  const look = async (): Promise<void> => {
    vi.advanceTimersByTime(LOOK_INTERVAL)
    await turnsHad()
  }

  // It was told each second, for good.
  it('warns once of an endpoint that does not do as the tables say, and once more when that happens again', async () => {
    const message = 'the device eth0 cannot be had'
    const failure = { object: { kind: 'port', key: '0' }, code: 'dataplane.device', message } as const
    const settle = vi.spyOn(router.parts.ports, 'settle').mockResolvedValue([failure])
    const warnings = (): unknown[] => warn.mock.calls.filter(([said]) => said === message)
    for (let time = 0; time < 3; time++) await look()
    expect(warnings()).toEqual([[message, { port: '0' }]])
    settle.mockResolvedValueOnce([])
    for (let time = 0; time < 3; time++) await look()
    expect(settle).toHaveBeenCalledTimes(6)
    expect(warnings()).toHaveLength(2)
  })

  it('warns once of links that cannot be looked at, and once more when that happens again', async () => {
    const { ports, transit } = router.parts
    const refusal = new LinuxError('ENOBUFS', 105, 'ask', 'No buffer space available')
    const refused = [vi.spyOn(ports, 'look').mockRejectedValue(refusal), vi.spyOn(transit, 'look').mockRejectedValue(refusal)]
    const warnings = (): unknown[] => warn.mock.calls.filter(([said]) => said === 'The links cannot be looked at')
    for (let time = 0; time < 3; time++) await look()
    expect(warnings()).toEqual([['The links cannot be looked at', { reason: refusal.message }]])
    for (const spy of refused) spy.mockResolvedValueOnce()
    for (let time = 0; time < 3; time++) await look()
    expect(warnings()).toHaveLength(2)
  })

  // All that had waited came before whoever asked next.
  it('looks once behind work on devices that takes longer than from one look to the next', async () => {
    const { ports } = router.parts
    const looked = vi.spyOn(ports, 'look')
    const { until, end } = held()
    vi.spyOn(ports, 'attach').mockImplementationOnce(() => until.then(() => ({ ifindex: 1, mtu: 1400 })))
    const attached = lab.attach(router, 0)
    vi.advanceTimersByTime(10 * LOOK_INTERVAL)
    end()
    await attached
    await turnsHad()
    expect(looked).toHaveBeenCalledTimes(1)
    await look()
    expect(looked).toHaveBeenCalledTimes(2)
  })

  // The device was taken away that had come in place of the first.
  it('leaves the device of a port that is set again while the first one is taken away', async () => {
    const { ports } = podTransaction(1)
    const transaction = (generation: number, changes: Partial<FibTransaction>): FibTransaction => ({
      ...emptyTransaction(generation),
      ...changes,
    })
    const set = ports.set.map((port) => ({ ...port, id: port.id + 8 }))
    await router.apply(transaction(2, { ports: { set, remove: [] } }))
    const request = { netns: lab.podNetns(0), ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 }
    await router.attachPort(8, request)
    const [first] = (await router.dump()).devices
    const removed = router.apply(transaction(3, { ports: { set: [], remove: [8] } }))
    const again = router.apply(transaction(4, { ports: { set, remove: [] } }))
    const attached = router.attachPort(8, request)
    for (const report of await Promise.all([removed, again])) expect(report).toMatchObject({ status: 'applied', failures: [] })
    const facts = await attached
    await turnsHad()
    expect(facts.ifindex).not.toBe(first.ifindex)
    expect((await router.dump()).devices).toMatchObject([{ port: 8, ifindex: facts.ifindex }])
    expect(lab.inPod(0, 'ip', '-o', 'link')).toMatch(new RegExp(`^${facts.ifindex}: eth0@`, 'm'))
  })

  // It waited on, for as long as work on devices took.
  it('ends the wait for a transaction with its signal, and not what was begun', async () => {
    const { ports } = router.parts
    const { until, end } = held()
    const settle = vi.spyOn(ports, 'settle').mockImplementationOnce(() => until.then(() => []))
    const controller = new AbortController()
    const reason = new Error('nobody waits any more')
    const told = vi.fn()
    router.apply({ ...emptyTransaction(2), ports: podTransaction(2).ports }, controller.signal).then(told, told)
    try {
      await vi.waitUntil(() => settle.mock.calls.length > 0)
      controller.abort(reason)
      await setImmediate()
      expect(told.mock.calls).toEqual([[reason]])
    } finally {
      end()
    }
    await turnsHad()
    expect((await router.dump()).generation).toBe(2)
  })

  // It was over for whoever asked last, who opened another one too early.
  it.each([{}, { keep: true }])('is closed for everybody who closes it once it has ended (%o)', async (options) => {
    const { ports, locks } = router.parts
    const { until, end } = held()
    vi.spyOn(ports, 'detachAll').mockImplementationOnce(() => until)
    const released = vi.spyOn(locks[0], 'release')
    const first = router.close()
    const wasReleased: boolean[] = []
    const others = [router.close(options), router[Symbol.asyncDispose]()].map((closed) =>
      closed.then(() => wasReleased.push(released.mock.calls.length > 0)),
    )
    try {
      for (let tick = 0; tick < 10; tick++) await setImmediate()
      expect(wasReleased).toEqual([])
    } finally {
      end()
    }
    await Promise.all([first, ...others])
    expect(wasReleased).toEqual([true, true])
  })
})
