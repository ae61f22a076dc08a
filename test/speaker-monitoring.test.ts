// `heddle speaker` as a process that tells a station, and writes files.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BmpStation, MrtStream, type BmpItem } from '@heddle/bgp'
import { afterAll, afterEach, expect, it } from 'vitest'
import { ReflectorLab, route, until } from './support/reflector-lab.js'

const run = promisify(execFile)
const lab = new ReflectorLab('127.0.52')
const { rr: RR } = lab
afterEach(async () => lab.end())
afterAll(() => lab.remove())

it('tells a station, writes updates and tables, and says so of all of them when it ends', async () => {
  const items: BmpItem[] = []
  const stream = new BmpStation()
  const server = createServer((socket) =>
    socket.on('data', (chunk) => stream.push(chunk).forEach((item) => 'error' in item || items.push(item))).on('error', () => undefined),
  )
  await new Promise<void>((resolve) => server.listen(0, RR, resolve))
  lab.atEnd(async () => new Promise((resolve) => server.close(resolve)))
  const [updates, table] = [join(lab.folder, 'updates.mrt'), join(lab.folder, 'table-%t.mrt')]
  const {
    a,
    b,
    process: rr,
    heddle,
  } = await lab.reflecting({
    bmp: [{ address: RR, port: (server.address() as AddressInfo).port, statistics: 0 }],
    mrt: { updates: { path: updates }, table: { path: table, interval: 1 } },
  })
  a.announce([route('10.0.0.0/24')])
  await until('B has it', () => lab.received(b).length === 2 || undefined)
  const tables = (): Set<number> =>
    new Set(
      items.flatMap(({ message }) =>
        message.type === 'route-monitoring' && message.pdu.length > 23 ? [message.peer.peerType * 256 + message.peer.flags] : [],
      ),
    )
  // before and after policy, what is chosen, what is sent
  await until('all tables', () => [0, 64, 768, 80].every((one) => tables().has(one)) || undefined)
  const file = await until('a table', async () => {
    const { stdout } = await run('ls', [lab.folder])
    return stdout.split('\n').find((name) => /^table-\d{8}T\d{6}Z\.mrt$/.test(name))
  })
  expect(await heddle('decode', 'mrt', '--summary', join(lab.folder, file))).toMatch(/1 {2}13\/1 peer-index-table/)
  rr.child.kill('SIGTERM')
  await until('its end', () => (rr.child.exitCode === null ? undefined : true))
  await until('its last word', () => items.at(-1)?.message.type === 'termination' || undefined)
  expect(items.at(-1)?.message).toEqual({ type: 'termination', tlvs: [{ kind: 'reason', reason: 0 }] })
  const results = new MrtStream().push(readFileSync(updates))
  expect(results.filter((result) => result.ok && result.record.kind === 'message').length).toBeGreaterThan(2)
})
