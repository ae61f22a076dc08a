import { createServer, connect, type Socket } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { probe, setTcpMd5Key, setTcpMinimumTtl, setTcpTtl, UnsupportedError } from '../src/index.js'
import { availability, loopback, noLoopback, unbuilt } from './support.js'

describe.skipIf(!availability.available)(`options of TCP sockets${unbuilt}`, () => {
  const descriptorOf = (socket: object): number => (socket as { _handle: { fd: number } })._handle.fd
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket))
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it.skipIf(loopback !== '')(`sign segments and check their TTL${noLoopback}`, async () => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const key = new TextEncoder().encode('a secret')
    const md5 = probe().features['tcp-md5']
    if (md5.available) {
      setTcpMd5Key(descriptorOf(server), key, { peer: '127.0.0.1' })
      const unsigned = connect({ port, host: '127.0.0.1', timeout: 200 })
      const outcome = await new Promise<string>((resolve) =>
        unsigned
          .on('timeout', () => resolve('timeout'))
          .on('connect', () => resolve('connect'))
          .on('error', (error) => resolve(error.message)),
      )
      expect(outcome).toBe('timeout')
      unsigned.destroy()
      setTcpMd5Key(descriptorOf(server), new Uint8Array(), { peer: '127.0.0.1' })
      setTcpMd5Key(descriptorOf(server), key, { peer: '198.51.100.0', prefixLength: 24 })
      expect(() => setTcpMd5Key(descriptorOf(server), new Uint8Array(), { peer: '203.0.113.1' })).toThrow(
        expect.objectContaining({ code: 'ENOENT' }),
      )
      expect(() => setTcpMd5Key(descriptorOf(server), new Uint8Array(81), { peer: '203.0.113.1' })).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      )
    } else {
      expect(() => setTcpMd5Key(descriptorOf(server), key, { peer: '127.0.0.1' })).toThrow(UnsupportedError)
    }
    setTcpMinimumTtl(descriptorOf(server), 4, 255)
    const near = connect({ port, host: '127.0.0.1', timeout: 200 })
    sockets.push(near)
    const outcome = await new Promise<string>((resolve) =>
      near.on('timeout', () => resolve('timeout')).on('connect', () => resolve('connect')),
    )
    expect(outcome).toBe('timeout')
    setTcpMinimumTtl(descriptorOf(server), 4, 0)
    setTcpTtl(descriptorOf(server), 4, 255)
    expect(() => setTcpTtl(999_999, 4, 255)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })
})
