import { EMPTY, testPacket, transition } from '@heddle/dataplane-conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { wordBytes } from '../src/layout/word.js'
import { natTables } from './support/nat-world.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'
import { cutToLoopback } from './support/twins.js'

/** Nanoseconds that earn an error, and the most that are kept (`bpf/icmp_error.h`). */
const [INTERVAL, BURST] = [1_000_000n, 100n]
/** Octets of what a CPU knows: errors that it may send, and until when they are earned, 64 bits each. */
const [AT, WIDTH] = [8, 16]
/** When all began: not at a whole interval. */
const BEGAN = 123_457n
/** Of the device that test packets come from. */
const PORT = 1

describe.skipIf(missing() !== '')(titled('ICMP errors'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('errors')
    router = await namespace.open({ flows: 1024 })
    cutToLoopback(router)
    expect(await router.apply(transition(1, EMPTY, natTables([], [])))).toMatchObject({ status: 'applied', failures: [] })
    router.parts.maps.set('devices', 1, wordBytes(PORT))
    for (const port of [PORT, PORT + 1]) router.parts.maps.set('links', port, new View(LINK).set('ifindex', 1).bytes)
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  // Packets that came every 0.6 ms earned an error in 1.2 ms: what had passed beside whole intervals was forgotten.
  it('are earned by all of the time that passes', () => {
    setAll(0)
    tell()
    expect(known(0)).toEqual([])
    expect(known(PORT)).toEqual([[BURST - 1n, expect.toSatisfy((at: bigint) => at > BEGAN && (at - BEGAN) % INTERVAL === 0n)]])
  })

  // An endpoint that had many packets dropped took the errors of all others: their path MTU was not found.
  it('are earned by each port', () => {
    setAll(PORT + 1)
    tell()
    expect([known(PORT).length, known(PORT + 1).length]).toEqual([1, 0])
    router.parts.maps.set('devices', 1, wordBytes(PORT + 1))
    tell()
    router.parts.maps.set('devices', 1, wordBytes(PORT))
    expect([known(PORT).length, known(PORT + 1).length]).toEqual([1, 1])
  })

  /** Has all begun, of a port and of another one. */
  function setAll(other: number): void {
    const { maps } = router.parts
    const before = new DataView(new ArrayBuffer(maps.valueSize('error_budgets')))
    for (let cpu = 0; cpu < before.byteLength; cpu += WIDTH) before.setBigUint64(cpu + AT, BEGAN, true)
    for (const port of [PORT, other]) maps.object.update('error_budgets', wordBytes(port), new Uint8Array(before.buffer))
  }

  /** Has an error made for a packet of the port. */
  function tell(): void {
    const packet = testPacket({ source: '10.0.0.1', destination: '10.200.0.9', ttl: 1 })
    router.run('egress', Uint8Array.of(...new Uint8Array(12), 8, 0, ...packet))
  }

  /** What CPUs know of a port's errors that have made some: how many more, and until when they are earned. */
  function known(port: number): bigint[][] {
    const value = router.parts.maps.get('error_budgets', port) ?? new Uint8Array(0)
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
    const all = Array.from({ length: view.byteLength / WIDTH }, (_, cpu) =>
      [cpu * WIDTH, cpu * WIDTH + AT].map((at) => view.getBigUint64(at, true)),
    )
    return all.filter(([, at]) => at !== BEGAN)
  }
})
