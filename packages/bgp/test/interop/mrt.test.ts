// MRT between this package and programs that nobody here wrote.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { IpAddress } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { MrtStream, mrtTable, mrtUpdates } from '../../src/index.js'
import { isUp } from '../speaker/lab.js'
import { bgpdumpLines } from '../vectors/bgpdump.js'
import { command, eventually, find } from './daemon.js'
import { GOBGP, GOBGP_API } from './matrix/gobgp.js'
import { Ends, ROUTES, far, near } from './monitoring.js'

const run = promisify(execFile)
const [US, THEM] = ['127.0.54.1', '127.0.54.2'] as const
const ADDRESSES = { us: US, them: THEM }
const bgpdump = find('/usr/bin/bgpdump')

const ends = new Ends()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-mrt-'))
})
afterEach(async () => ends.run())
afterAll(async () => rm(folder, { recursive: true }))

describe.skipIf(bgpdump === undefined)(`bgpdump${bgpdump === undefined ? ' (not installed)' : ''}`, () => {
  it('prints the tables and updates that we write as we read them', async () => {
    const other = far(ADDRESSES)
    const records: Uint8Array[] = []
    const us = near(ADDRESSES)
    const end = mrtUpdates(us, { as: 65000, now: () => Date.now() }, (record) => records.push(record))
    await ends.start(other, false)
    const speaker = await ends.start(us)
    other.announce(ROUTES)
    await eventually('all routes', () => [...speaker.routes({ family: 'ipv4-unicast', neighbor: THEM })].length === 2 || undefined)
    await eventually('all routes', () => [...speaker.routes({ family: 'ipv6-unicast', neighbor: THEM })].length === 1 || undefined)
    const table = [...mrtTable(speaker, { collectorId: IpAddress.parse(US), as: 65000, timestamp: 1_700_000_000, viewName: 'main' })]
    other.withdraw([ROUTES[0]])
    await eventually('a withdrawal', () => [...speaker.routes({ family: 'ipv4-unicast', neighbor: THEM })].length === 1 || undefined)
    await other.stop()
    await eventually('the end of the session', () => !isUp(speaker, THEM) || undefined)
    end()
    for (const [name, list] of [
      ['table', table],
      ['updates', records],
    ] as const) {
      const bytes = Buffer.concat(list)
      const file = join(folder, `${name}.mrt`)
      await writeFile(file, bytes)
      const { stdout } = await run(bgpdump ?? '', ['-m', '-t', 'dump', file])
      const theirs = stdout
        .split('\n')
        .filter((line) => line !== '')
        .sort()
      const results = new MrtStream().push(bytes)
      expect(results.every(({ ok }) => ok)).toBe(true)
      expect(theirs.length).toBeGreaterThanOrEqual(3)
      expect(bgpdumpLines(results).sort()).toEqual(theirs)
    }
  })
})

describe.skipIf(GOBGP.reason !== '')(`GoBGP${GOBGP.reason}`, () => {
  it('injects our table, and has the routes of it', async () => {
    const other = far(ADDRESSES)
    await ends.start(other, false)
    const speaker = await ends.start(near(ADDRESSES))
    other.announce(ROUTES)
    await eventually('all routes', () => [...speaker.routes({ family: 'ipv4-unicast', neighbor: THEM })].length === 2 || undefined)
    const table = [
      ...mrtTable(speaker, { collectorId: IpAddress.parse(US), as: 65000, timestamp: 1_700_000_000, families: ['ipv4-unicast'] }),
    ]
    const file = join(folder, 'injected.mrt')
    const [index, ...records] = table
    // its client ends without waiting for what it has sent: what comes last does not arrive
    await writeFile(file, Buffer.concat([index, ...Array.from({ length: 3000 }, () => records).flat()]))
    const config = { address: '127.0.47.2', port: 11_797, peers: [] }
    const daemon = await GOBGP.start(config)
    ends.add(async () => daemon.stop())
    await eventually('its interface', async () =>
      GOBGP.show(daemon, config, '198.51.100.0/24').then(
        () => true,
        () => undefined,
      ),
    )
    await command('gobgp', '-u', config.address, '-p', GOBGP_API, 'mrt', 'inject', 'global', file)
    const shown = await eventually('the route', async () => {
      const text = await GOBGP.show(daemon, config, '203.0.113.0/25')
      return text.includes('192.0.2.10') ? text : undefined
    })
    expect(shown).toMatch(/64500.*4200000000/s)
    expect(await GOBGP.show(daemon, config, '198.51.100.0/24')).toContain('192.0.2.9')
  })
})
