import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ControlClient } from './client.js'
import { linesOf } from './lines.js'
import { ControlError, type ControlHandler } from './protocol.js'
import { serveControl, type ControlServer } from './server.js'

let folder: string
let server: ControlServer | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-control-'))
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await rm(folder, { recursive: true })
})

const echo: ControlHandler = async (method, params) => {
  if (method === 'refuse') throw new ControlError('control.params', 'no')
  if (method === 'slow') await new Promise((resolve) => setTimeout(resolve, 50))
  return { method, params }
}

describe('control socket', () => {
  it('answers requests, out of order when one is slow, and passes refusals on', async () => {
    server = await serveControl(join(folder, 'deep', 'node.sock'), echo)
    await using client = await ControlClient.connect(server.path)
    const order: string[] = []
    const ask = async (method: string): Promise<void> => {
      expect(await client.request(method, { a: 1 })).toEqual({ method, params: { a: 1 } })
      order.push(method)
    }
    await Promise.all([ask('slow'), ask('quick')])
    expect(order).toEqual(['quick', 'slow'])
    await expect(client.request('refuse')).rejects.toMatchObject({ name: 'RefusedError', code: 'control.params' })
  })

  it('is for its owner alone', async () => {
    server = await serveControl(join(folder, 'node.sock'), echo)
    expect((await stat(server.path)).mode & 0o777).toBe(0o600)
  })

  it('is not taken from a node that serves it, and is taken from one that died', async () => {
    const path = join(folder, 'node.sock')
    server = await serveControl(path, echo)
    await expect(serveControl(path, echo)).rejects.toMatchObject({ code: 'control.in-use' })
    await server.close()
    await writeFile(path, '') // what is left when nobody removes it
    server = await serveControl(path, echo)
    await using client = await ControlClient.connect(path)
    expect(await client.request('again')).toMatchObject({ method: 'again' })
  })

  it('says that no node is there', async () => {
    await expect(ControlClient.connect(join(folder, 'none.sock'))).rejects.toMatchObject({ code: 'control.unreachable' })
  })

  it('answers a line that is no request, and goes on', async () => {
    server = await serveControl(join(folder, 'node.sock'), echo)
    const socket = connect(server.path)
    socket.write('hello\n{"id":"x"}\n\n{"id":7,"method":"m"}\n')
    const lines: unknown[] = []
    for await (const line of linesOf(socket, 1000)) {
      lines.push(JSON.parse(line as string))
      if (lines.length === 3) break
    }
    expect(lines).toMatchObject([{ id: null, error: { code: 'control.protocol' } }, { id: null }, { id: 7, result: { method: 'm' } }])
  })

  it('rejects what a node that goes away leaves open', async () => {
    const path = join(folder, 'node.sock')
    const abrupt = createServer((socket) => socket.on('data', () => socket.destroy())).listen(path)
    const client = await ControlClient.connect(path)
    await expect(client.request('x')).rejects.toMatchObject({ code: 'control.closed' })
    await client.close()
    abrupt.close()
  })
})

describe('lines', () => {
  const split = async (text: string, size: number, maximum = 100): Promise<(string | null)[]> => {
    const bytes = new TextEncoder().encode(text)
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const lines: (string | null)[] = []
    for await (const line of linesOf(chunks(), maximum)) lines.push(line)
    return lines
  }

  it.each([1, 2, 3, 7, 1000])('are the same whatever the chunks are (%i)', async (size) => {
    expect(await split('a\n\nbé\r\nlast', size)).toEqual(['a', '', 'bé', 'last'])
    expect(await split('a\n', size)).toEqual(['a'])
    expect(await split('', size)).toEqual([])
  })

  it.each([1, 3, 1000])('that are too long are null, and the next one is whole (%i)', async (size) => {
    expect(await split('0123456789\nok\n0123456789', size, 5)).toEqual([null, 'ok', null])
  })
})
