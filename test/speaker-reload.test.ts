// `heddle speaker` as a process whose configuration is read again.
import { join } from 'node:path'
import { linuxTcpTransport, nativeAvailability, probe } from '@heddle/linux'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { ReflectorLab, route, until } from './support/reflector-lab.js'
import type { Speaker } from '@heddle/bgp'

const native = nativeAvailability()
const md5 = probe().features['tcp-md5']
const keyless = native.available ? (md5.available ? '' : ` (not run: ${md5.reason})`) : ` (not run: ${native.reason})`
const lab = new ReflectorLab('127.0.48')
const { rr: RR, a: A, b: B } = lab
afterEach(async () => lab.end())
afterAll(() => lab.remove())

describe('a configuration that is read again', () => {
  it('says first what it will do, then does it, and leaves alone who is not in it', async () => {
    const { heddle, a, b, write, process: rr } = await lab.reflecting()
    a.announce([route('10.0.0.1/32'), route('10.0.0.0/24')])
    await until('B has them', () => lab.received(b).length === 3 || undefined)
    const before = b.neighbors()[0]
    let updates = 0
    b.trace(RR, ({ direction, message }) => (direction === 'received' && message[18] === 2 ? updates++ : undefined))

    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', description: 'the first' },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    expect(JSON.parse(await heddle('reload', '--dry-run', '--json'))).toEqual([
      { what: 'neighbor', name: A, kind: 'change', impact: 'nothing', fields: ['description'] },
      { what: 'neighbor', name: B, kind: 'keep', impact: 'nothing', fields: [] },
    ])
    const [shown] = JSON.parse(await heddle('show', 'neighbors', '--json')) as { description: string | null }[]
    expect(shown.description).toBeNull()
    expect(await heddle('reload')).toMatch(
      /^CHANGE {2}WHAT {6}NAME {8}SESSION {2}KEYS\nchange {2}neighbor {2}127\.0\.48\.2 {2}nothing {2}description\n$/,
    )
    expect(await heddle('reload')).toBe('nothing changes\n')

    // a session that begins anew is that of the one neighbor that needs it
    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', holdTime: 30 },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    expect(await heddle('reload', '--dry-run')).toContain('reset    description holdTime')
    expect(a.neighbors()[0].established).toBe(1)
    await heddle('reload')
    await until('A is back', () => (a.neighbors()[0].established === 2 && a.neighbors()[0].state === 'established') || undefined)
    await until('B has its routes', () => lab.received(b).length === 3 || undefined)
    expect(b.neighbors()[0]).toMatchObject({ established: before.established, state: 'established' })

    // what is refused changes nothing, by command and by signal
    write((bgp) => (bgp['as'] = 0))
    await expect(heddle('reload')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\.yaml:\d+:\d+: bgp\.as: found 0; allowed/) as string,
    })
    rr.child.kill('SIGHUP')
    await until('the signal is answered', () => rr.output().includes('configuration refused, the old one stays') || undefined)
    expect(b.neighbors()[0].established).toBe(before.established)
  })

  it('changes what it is as a whole: a peer that nobody has named comes by a place that was not there, and the others do not notice', async () => {
    const { heddle, a, b, write } = await lab.reflecting()
    const updates = (speaker: Speaker): number => speaker.neighbors()[0].messages.received.update
    await until('the route and the end of the table', () => [a, b].every((speaker) => updates(speaker) === 2) || undefined)
    const second = await lab.freePort()
    const change = (bgp: Record<string, unknown>): void => {
      Object.assign(bgp, {
        listen: [...(bgp['listen'] as object[]), { address: RR, port: second }],
        decision: { multipath: 2 },
        dynamicNeighbors: [{ prefix: '127.0.49.0/24', group: 'clients' }],
        mrt: { updates: { path: join(lab.folder, 'later.mrt') } },
      })
    }
    write(change)
    const changes =
      /^CHANGE .*\nchange {2}speaker {2}listen .*\nchange {2}speaker {2}decision .*\nchange {2}speaker {2}dynamicNeighbors .*\nadd {5}mrt {6}updates .*\n$/
    expect(await heddle('reload', '--dry-run')).toMatch(changes)
    expect(await heddle('reload')).toMatch(changes)
    const late = await lab.peer('127.0.49.1', second)
    await until('the late one has the route', () => lab.received(late).join() === '203.0.113.0/24' || undefined)
    expect([a, b].map((speaker) => speaker.neighbors()[0])).toMatchObject(
      [2, 2].map((update) => ({ state: 'established', established: 1, messages: { received: { update } } })),
    )
    // where a place cannot be had, nothing of the change is done
    write((bgp) => {
      change(bgp)
      Object.assign(bgp, { listen: [{ address: '192.0.2.200', port: second }], neighbors: [] })
    })
    await expect(heddle('reload')).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/192\.0\.2\.200 port \d+/) as string })
    expect([a, b, late].map((speaker) => speaker.neighbors()[0].state)).toEqual(['established', 'established', 'established'])
  })

  it.skipIf(keyless !== '')(
    `asks for a key once a peer has one, though it listened without${keyless}`,
    async () => {
      const { heddle, a, b, port, write } = await lab.reflecting()
      const K = '127.0.48.4'
      const authentication = { kind: 'tcp-md5', key: 'secret' } as const
      write((bgp) => (bgp['neighbors'] = [...(bgp['neighbors'] as object[]), { address: K, group: 'clients', authentication }]))
      expect(await heddle('reload')).toMatch(/add {5}neighbor {2}127\.0\.48\.4/)
      const keyed = await lab.peer(K, port, { transport: linuxTcpTransport(), authentication })
      await until('the session with a key', () => keyed.neighbors()[0].state === 'established' || undefined)
      expect([a, b].map((speaker) => speaker.neighbors()[0])).toMatchObject(
        [1, 1].map((established) => ({ state: 'established', established })),
      )
      // and others come as before
      b.resetNeighbor(RR)
      await until(
        'a new session without one',
        () => (b.neighbors()[0].established === 2 && b.neighbors()[0].state === 'established') || undefined,
      )
    },
    60_000,
  )

  it('looks at routes again where a policy changes, without a word to the others', async () => {
    const { heddle, a, b, write, process: rr } = await lab.reflecting()
    b.announce([route('10.9.0.0/24', '192.0.2.3')])
    a.announce([route('10.0.0.1/32'), route('10.0.0.0/24')])
    await until('B has them', () => lab.received(b).length === 3 || undefined)
    await until('A has them', () => lab.received(a).length === 2 || undefined)
    let toA = 0
    a.trace(RR, ({ direction, message }) => (direction === 'received' && message[18] === 2 ? toA++ : undefined))
    write(
      (bgp) =>
        (bgp['neighbors'] = [
          { address: A, group: 'clients', importPolicy: 'no-small' },
          { address: B, group: 'clients', description: 'the second' },
        ]),
    )
    rr.child.kill('SIGHUP')
    await until('the small one is gone', () => lab.received(b).join() === '10.0.0.0/24,203.0.113.0/24' || undefined)
    expect(rr.output()).toMatch(/configuration reloaded.*change neighbor 127\.0\.48\.2: refresh \(importPolicy\)/)
    expect([a.neighbors()[0].established, b.neighbors()[0].established, toA]).toEqual([1, 1, 0])
    const explained = await heddle('show', 'bgp', 'explain', '10.0.0.1/32')
    expect(explained).toMatch(/10\.0\.0\.1\/32, ipv4-unicast\n/)
    expect(explained).toMatch(/127\.0\.48\.2 +invalid +policy +no-small\/small/)
    expect(explained).toMatch(/127\.0\.48\.3 +no +no-path/)
  })
})
