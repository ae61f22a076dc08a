import { writeFile } from 'node:fs/promises'
import type { Clock } from '@heddle/io'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { RtrClient } from '../../src/index.js'
import { Daemon, eventually, find } from './daemon.js'

const CACHE = '127.0.47.2'
const PORT = 11_823
const stayrtr = find('/usr/bin/stayrtr')
/** Ten times as fast as others': a cache that is back is soon asked. */
const HASTY: Clock = { now: () => nodeClock.now(), setTimer: (delay, fire) => nodeClock.setTimer(delay / 10, fire) }

const roas = (...list: readonly (readonly [prefix: string, maxLength: number, asn: string])[]): string =>
  JSON.stringify({
    metadata: { buildtime: new Date().toISOString() },
    roas: list.map(([prefix, maxLength, asn]) => ({ prefix, maxLength, asn, ta: 'test' })),
  })

describe.skipIf(stayrtr === undefined)(`StayRTR${stayrtr === undefined ? ' (not installed)' : ''}`, () => {
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  it('tells its authorizations, then the differences, and is found again', async () => {
    const first = roas(['192.0.2.0/24', 24, 'AS65000'], ['2001:db8::/32', 48, 'AS4200000000'], ['198.51.100.0/24', 24, 'AS0'])
    const start = async (): Promise<Daemon> =>
      Daemon.start(stayrtr ?? '', first, (directory) => {
        const own = ['-bind', `${CACHE}:${PORT}`, '-metrics.addr', `${CACHE}:0`, '-cache', `${directory}/daemon.conf`]
        return own.concat(['-checktime=false', '-refresh', '1', '-slurm', '', '-protocol', '1'])
      })
    let cache = await start()
    ends.push(async () => cache.stop())
    const sizes: number[] = []
    const client: RtrClient = new RtrClient({
      caches: [{ address: IpAddress.parse(CACHE), port: PORT }],
      clock: HASTY,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      changed: () => sizes.push(client.size),
    })
    client.start()
    ends.push(async () => client.stop())
    const of = (prefix: string, as?: number): string => client.validate(IpPrefix.parse(prefix), as)
    await eventually(`all of it: ${cache.output}`, () => client.size === 3 || undefined)
    expect([of('192.0.2.0/24', 65_000), of('192.0.2.128/25', 65_000), of('192.0.2.0/24', 65_001)]).toEqual(['valid', 'invalid', 'invalid'])
    expect([of('2001:db8:1::/48', 4_200_000_000), of('198.51.100.0/24', 0), of('203.0.113.0/24', 65_000)]).toEqual([
      'valid',
      'invalid',
      'not-found',
    ])
    await writeFile(`${cache.directory}/daemon.conf`, roas(['192.0.2.0/24', 25, 'AS65000'], ['2001:db8::/32', 48, 'AS4200000000']))
    await eventually('what is new', () => (of('192.0.2.128/25', 65_000) === 'valid' && client.size === 2 ? true : undefined))
    expect(of('198.51.100.0/24', 65_000)).toBe('not-found')
    // gone, it is still believed; back with what it began with, it is believed again
    await cache.stop()
    expect(of('192.0.2.128/25', 65_000)).toBe('valid')
    cache = await start()
    await eventually('all of it again', () => client.size === 3 || undefined)
    expect(of('192.0.2.128/25', 65_000)).toBe('invalid')
    expect(sizes.at(-1)).toBe(3)
  })
})
