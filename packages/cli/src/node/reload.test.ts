import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MrtStream, Speaker } from '@heddle/bgp'
import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseSpeaker } from '../config/load.js'
import { createSpeaker } from './create-speaker.js'
import { checkFixed } from './reload.js'
import type { SpeakerHandle } from './role-handle.js'

const US = '192.0.2.1'
const THEM = '192.0.2.2'
const clock = new ManualClock()
let folder: string
let us: SpeakerHandle
let them: Speaker

const bgp = { as: 65000, listen: [{ address: US }], neighbors: [{ address: THEM, as: 65000, families: ['ipv4-unicast'], passive: true }] }
const document = (change: object = {}): ReturnType<typeof parseSpeaker> =>
  parseSpeaker('speaker.yaml', JSON.stringify({ node: { name: 'us', address: US }, bgp: { ...bgp, ...change } }))
const named = (changes: Awaited<ReturnType<SpeakerHandle['reload']>>): string[] =>
  changes.filter(({ kind }) => kind !== 'keep').map(({ kind, what, name, impact }) => `${kind} ${what} ${name}: ${impact}`)
/** What the neighbor would notice: sessions and messages but keepalives. */
const noticed = (): unknown =>
  them.neighbors().map(({ established, state, messages: { received } }) => [established, state, { ...received, keepalive: 0 }])

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-reload-'))
  const network = memoryNetwork({ clock })
  us = await createSpeaker(document(), { clock, random: seededRandom(1), transport: network.host('us', US, '192.0.2.11').transport })
  them = new Speaker({
    clock,
    random: seededRandom(2),
    transport: network.host('them', THEM).transport,
    config: { as: 65000, routerId: THEM, neighbors: [{ address: US, as: 65000, families: ['ipv4-unicast'] }] },
  })
  await them.start()
  await clock.run(10_000)
})
afterEach(async () => {
  const stopped = Promise.all([us.stop(), them.stop()])
  await clock.run(2000)
  await stopped
  await rm(folder, { recursive: true })
})

describe('a configuration that is read again', () => {
  it('changes what the speaker is as a whole, the files it writes and its caches, and no session notices', async () => {
    const before = noticed()
    const updates = join(folder, 'updates.mrt')
    const next = document({
      listen: [{ address: US }, { address: '192.0.2.11', port: 1790 }],
      decision: { multipath: 4 },
      dynamicNeighbors: [{ prefix: '192.0.2.128/25', as: 65000 }],
      rtr: [{ address: '192.0.2.99' }],
      mrt: { updates: { path: updates }, table: { path: join(folder, 'table'), interval: 60 } },
    })
    const planned = [
      'change speaker listen: nothing',
      'change speaker decision: nothing',
      'change speaker dynamicNeighbors: nothing',
      'add rtr 192.0.2.99 port 323: nothing',
      'add mrt updates: nothing',
      'add mrt table: nothing',
    ]
    expect(named(await us.reload(next, { dryRun: true }))).toEqual(planned)
    await expect(readFile(updates)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(named(await us.reload(next))).toEqual(planned)
    expect(us.listening).toEqual([
      { address: US, port: 179 },
      { address: '192.0.2.11', port: 1790 },
    ])
    them.requestRefresh(US, 'ipv4-unicast')
    await clock.run(5000)
    // another file: the first one ends whole, with what came until then
    const second = join(folder, 'second.mrt')
    const other = { ...next, bgp: { ...next.bgp, mrt: { updates: { path: second } } } }
    expect(named(await us.reload(other))).toEqual(['change mrt updates: nothing', 'remove mrt table: nothing'])
    const results = new MrtStream().push(await readFile(updates))
    expect(results.filter((result) => result.ok && result.record.kind === 'message').length).toBeGreaterThan(0)
    expect(named(await us.reload(document()))).toEqual([
      'change speaker listen: nothing',
      'change speaker decision: nothing',
      'change speaker dynamicNeighbors: nothing',
      'remove rtr 192.0.2.99 port 323: nothing',
      'remove mrt updates: nothing',
    ])
    await clock.run(5000)
    // it has asked for routes once more, and there are none; but for that, nothing
    const [[established, state, received]] = noticed() as [[number, string, { update: number }]]
    const [[was, , had]] = before as [[number, string, { update: number }]]
    expect([established, state, received.update - had.update]).toEqual([was, 'established', 0])
  })

  it('is the same whatever the order of its keys', async () => {
    const table = { path: join(folder, 'table'), interval: 60 }
    const decision = { multipath: 4, alwaysCompareMed: true }
    await us.reload(document({ decision, mrt: { table } }))
    const other = document({
      mrt: { table: { interval: table.interval, path: table.path } },
      decision: { alwaysCompareMed: true, multipath: 4 },
    })
    expect(named(await us.reload(other, { dryRun: true }))).toEqual([])

    const before = { dataplane: { kind: 'ebpf', flows: 1 }, cni: { networks: [{ name: 'a', vrf: 'red' }] } }
    const after = { cni: { networks: [{ vrf: 'red', name: 'a' }] }, dataplane: { flows: 1, kind: 'ebpf' } }
    expect(() => checkFixed(before, after, ['dataplane', 'cni'])).not.toThrow()
    for (const dataplane of [{ flows: 2, kind: 'ebpf' }, { kind: 'ebpf' }, undefined])
      expect(() => checkFixed<{ dataplane?: object | undefined }>(before, { dataplane }, ['dataplane'])).toThrow(
        'a change of dataplane needs',
      )
  })

  it('does nothing where one thing of it cannot be done', async () => {
    const before = noticed()
    const file = join(folder, 'file')
    await writeFile(file, '')
    const updates = join(folder, 'updates.mrt')
    // a folder that is a file, a place that is no address of ours
    await expect(us.reload(document({ neighbors: [], mrt: { updates: { path: join(file, 'updates') } } }))).rejects.toThrow(
      /E(EXIST|NOTDIR)/,
    )
    const elsewhere = document({ neighbors: [], listen: [{ address: '192.0.2.77' }], mrt: { updates: { path: updates } } })
    await expect(us.reload(elsewhere)).rejects.toMatchObject({ code: 'speaker.listen' })
    await expect(us.reload(document({ as: 65001, neighbors: [] }))).rejects.toMatchObject({ code: 'agent.needs-restart' })
    await clock.run(5000)
    expect(noticed()).toEqual(before)
    expect(us.listening).toEqual([{ address: US, port: 179 }])
    expect(named(await us.reload(document(), { dryRun: true }))).toEqual([])
  })
})
