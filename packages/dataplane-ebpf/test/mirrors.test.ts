import { RouteBatch, type DataplaneEvent, type FibTransaction, type MirrorObject } from '@heddle/core'
import { testPacket } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { OBSERVED_KEY } from '../src/layout/structs/observe.js'
import { observe } from '../src/tables/config.js'
import { wordBytes } from '../src/layout/word.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'
import { byProgram } from './support/twins.js'

const MIRROR: MirrorObject = { id: 7, ports: [{ port: 1, direction: 'egress' }], snapLength: 40, sink: { type: 'stream' } }
/** Milliseconds. */
const HOUR = 3_600_000
const PACKET = testPacket({ source: '10.1.0.1', destination: '10.2.0.1', size: 100 })

function transaction(generation: number): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.2.0.0/16'), 1)
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
    nextHops: { set: [{ id: 1, action: { type: 'discard' } }], remove: [] },
    groups: { set: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 0 }], remove: [] },
    mirrors: { set: [MIRROR], remove: [] },
    routes,
  }
}

describe.skipIf(missing() !== '')(titled('mirrors in the kernel'), () => {
  let namespace: RouterNamespace
  let folder: string
  let router: EbpfRouter | undefined
  beforeAll(() => {
    namespace = new RouterNamespace('mirrors')
    folder = makeFolder('mirrors')
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await router?.close()
    router = undefined
  })
  afterAll(() => {
    namespace.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const open = async (): Promise<[EbpfRouter, DataplaneEvent[]]> => {
    const opened = await namespace.open({ pinDirectory: join(folder, 'pins') })
    const events: DataplaneEvent[] = []
    void (async () => {
      for await (const event of opened.events) events.push(event)
    })()
    return [(router = opened), events]
  }
  const send = (to: EbpfRouter): void => {
    expect(byProgram(to, { from: 'port', port: 1, packet: PACKET }).verdict).toBe('drop')
  }

  it('copy for the next process what they copied for the one before it, and nothing when they are gone', async () => {
    const [first, seen] = await open()
    expect(await first.apply(transaction(1))).toMatchObject({ status: 'applied', failures: [] })
    send(first)
    await expect.poll(() => seen).toMatchObject([{ type: 'mirrored', mirror: 7, port: 1, sequence: 0, length: PACKET.length }])
    expect(seen).toMatchObject([{ direction: 'egress', packet: PACKET.slice(0, 40) }])
    await first.close({ keep: true })

    const [second, later] = await open()
    expect((await second.dump()).mirrors).toEqual([MIRROR])
    send(second)
    await expect.poll(() => later).toMatchObject([{ type: 'mirrored', mirror: 7 }])
    expect(second.parts.tables.config.get('observes')).toBe(1)
    const whole: MirrorObject = { ...MIRROR, id: 8, snapLength: 65_535 }
    await second.apply({ ...emptyTransaction(2), mirrors: { set: [whole], remove: [7] } })
    send(second)
    await expect.poll(() => later.slice(1)).toMatchObject([{ mirror: 8, sequence: 0, packet: PACKET }])
    await second.apply({ ...emptyTransaction(3), mirrors: { set: [], remove: [8] } })
    expect([...second.parts.maps.entries('observed')]).toEqual([])
    expect(second.parts.tables.config.get('observes')).toBe(0)
    expect((await second.dump()).mirrors).toEqual([])
  })

  it('had packets from before they were there, which the last mirror of the port had left unread', async () => {
    const [opened, seen] = await open()
    await opened.apply({ ...transaction(1), mirrors: { set: [], remove: [] } })
    const { maps, tables } = opened.parts
    // A program that has not seen yet that the last mirror is gone.
    const key = new View(OBSERVED_KEY).set('port', 1).set('direction', 0).bytes
    maps.set('observed', key, wordBytes(65_535))
    observe(tables.config, 'ports', true)
    send(opened)
    maps.delete('observed', key)
    observe(tables.config, 'ports', false)
    await opened.apply({ ...emptyTransaction(2), mirrors: { set: [MIRROR], remove: [] } })
    const packet = testPacket({ source: '10.1.0.1', destination: '10.2.0.2', size: 100 })
    byProgram(opened, { from: 'port', port: 1, packet })
    await expect.poll(() => seen.length, { timeout: 20_000 * PACE }).toBeGreaterThan(0)
    expect(seen).toMatchObject([{ type: 'mirrored', mirror: 7, sequence: 0, packet: packet.slice(0, 40) }])
  })

  // What was left behind some of it waited for the next packet, or for ever.
  it('hand out all that lies there, in turns, while nothing else comes', async () => {
    const [opened, seen] = await open()
    await opened.apply({ ...transaction(1), mirrors: { set: [{ ...MIRROR, snapLength: 65_535 }], remove: [] } })
    const packet = testPacket({ source: '10.1.0.1', destination: '10.2.0.1', size: 1300 })
    // Several times what is taken in one go, while the event loop stands still.
    for (let sent = 0; sent < 300; sent++) byProgram(opened, { from: 'port', port: 1, packet })
    await expect.poll(() => seen.length, { timeout: 20_000 * PACE }).toBe(300)
    expect(seen.map((event) => event.type === 'mirrored' && event.sequence)).toEqual(Array.from(seen.keys()))
  })

  it('tell when packets came by the clock as it is, and not as it was when the process began', async () => {
    const [opened, seen] = await open()
    await opened.apply(transaction(1))
    const tellNow = Date.now.bind(Date)
    for (const [index, step] of [HOUR, -HOUR].entries()) {
      vi.spyOn(Date, 'now').mockImplementation(() => tellNow() + step)
      send(opened)
      await expect.poll(() => seen.length, { timeout: 20_000 * PACE }).toBe(index + 1)
      const { time } = seen[index] as Extract<DataplaneEvent, { type: 'mirrored' }>
      expect(Math.round((time - tellNow()) / HOUR)).toBe(step / HOUR)
    }
  })
})
