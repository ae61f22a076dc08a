import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { TransportError } from '../transport.js'
import { jsonLogger, nodeClock, nodeRandom, nodeTcpTransport, nodeUdpPort, textLogger } from './index.js'
import { toTransportError } from './transport-error.js'

const loopback = IpAddress.parse('127.0.0.1')
const time = (): Date => new Date(0)

describe('loggers', () => {
  it('write JSON lines at and above their level, context first', () => {
    const lines: string[] = []
    const logger = jsonLogger({ stream: { write: (line) => lines.push(line) }, level: 'warn', time }).child({ node: 'a' })
    logger.info('not this')
    logger.error('failed', { error: new TransportError('transport.refused', 'no'), count: 3n, bytes: Uint8Array.of(1, 255), at: loopback })
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0])).toEqual({
      node: 'a',
      error: { code: 'transport.refused', name: 'TransportError', message: 'no (transport.refused)' },
      count: '3',
      bytes: '01ff',
      at: '127.0.0.1',
      time: '1970-01-01T00:00:00.000Z',
      level: 'error',
      message: 'failed',
    })
  })

  it('write text that stays on its line', () => {
    const lines: string[] = []
    textLogger({ stream: { write: (line) => lines.push(line) }, time }).info('peer up', { peer: loopback, note: 'a "b"\nc', list: [1] })
    expect(lines).toEqual(['1970-01-01T00:00:00.000Z info  peer up peer=127.0.0.1 note="a \\"b\\"\\nc" list=[1]\n'])
  })
})

it('nodeClock fires no earlier than asked, and not when cancelled', async () => {
  const start = nodeClock.now()
  nodeClock.setTimer(1, () => expect.unreachable()).cancel()
  await new Promise<void>((resolve) => nodeClock.setTimer(20, resolve))
  expect(nodeClock.now() - start).toBeGreaterThanOrEqual(19)
  const far = nodeClock.setTimer(2 ** 40, () => expect.unreachable())
  await new Promise<void>((resolve) => nodeClock.setTimer(5, resolve))
  far.cancel()
})

it('nodeRandom draws unsigned words', () => {
  const words = Array.from({ length: 1000 }, () => nodeRandom.uint32())
  expect(words.every((word) => Number.isInteger(word) && word >= 0 && word <= 0xffffffff)).toBe(true)
  expect(new Set(words).size).toBeGreaterThan(990)
})

it('UDP ports carry datagrams, and say what is wrong with an address', async () => {
  const a = await nodeUdpPort({ address: loopback, port: 0 })
  const b = await nodeUdpPort({ address: loopback, port: 0 })
  await expect(nodeUdpPort({ address: loopback, port: a.local.port })).rejects.toMatchObject({ code: 'transport.address-in-use' })
  await expect(nodeUdpPort({ address: IpAddress.parse('203.0.113.77'), port: 0 })).rejects.toMatchObject({
    code: 'transport.address-unavailable',
  })
  a.send(Uint8Array.of(7), b.local)
  const { value } = await b.datagrams[Symbol.asyncIterator]().next()
  expect([...value.bytes, value.from.port]).toEqual([7, a.local.port])
  await a.close()
  await b.close()
  await b.close()
})

it.each([
  ['ECONNREFUSED', 'transport.refused'],
  ['EHOSTUNREACH', 'transport.unreachable'],
  ['ETIMEDOUT', 'transport.timeout'],
  ['ECONNRESET', 'transport.reset'],
  ['EADDRINUSE', 'transport.address-in-use'],
  ['EADDRNOTAVAIL', 'transport.address-unavailable'],
  ['EACCES', 'transport.permission'],
  ['EMFILE', 'transport.failed'],
])('%s is %s', (errno, code) => {
  expect(toTransportError(Object.assign(new Error('system'), { code: errno }), 'test')).toMatchObject({ code })
})

it('TCP of Node gives no protection, and says so rather than do without', async () => {
  const transport = nodeTcpTransport()
  for (const protection of [{ authentication: { kind: 'tcp-md5', key: 'secret' } }, { minimumHopLimit: 255 }, { hopLimit: 1 }] as const) {
    const unsupported = { code: 'transport.unsupported' }
    await expect(transport.connect({ remote: { address: loopback, port: 9 }, protection })).rejects.toMatchObject(unsupported)
    await expect(transport.listen({ address: loopback, port: 0, protection: [{ peer: loopback, ...protection }] })).rejects.toMatchObject(
      unsupported,
    )
  }
})
