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

describe('rows in pieces', () => {
  /** Pieces of 10 kB without end, with how many were made and whether the end was heard of. */
  const endless = () => {
    const state = { made: 0, ended: false }
    const handler: ControlHandler = async (method, _params, signal) => {
      if (method !== 'rows') return echo(method, {}, signal)
      return (async function* () {
        try {
          for (;;) {
            state.made++
            yield [{ at: state.made, text: 'x'.repeat(10_000) }]
          }
        } finally {
          state.ended = true
        }
      })()
    }
    return { state, handler }
  }
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  it('come in order, no faster than they are taken, and end when nobody takes them any more', async () => {
    const { state, handler } = endless()
    server = await serveControl(join(folder, 'node.sock'), handler)
    const client = await ControlClient.connect(server.path)
    let taken = 0
    for await (const rows of client.stream('rows')) {
      expect(rows).toMatchObject([{ at: ++taken }])
      if (taken === 5) {
        await turns(2000) // a reader that is slow
        const { made } = state
        await turns(2000)
        // what buffers of sockets hold, and no more
        expect(state.made).toBe(made)
        expect(made).toBeLessThan(1000)
      }
      if (taken === 200) break
    }
    for (let turn = 0; !state.ended; turn++) {
      if (turn > 10_000) expect.unreachable('it goes on')
      await turns(1)
    }
    await expect(client.request('after')).rejects.toMatchObject({ code: 'control.closed' })
  })

  it('end with their result, or with what went wrong behind those that came before', async () => {
    server = await serveControl(join(folder, 'node.sock'), async (method) =>
      (async function* () {
        yield [1, 2]
        yield []
        yield [3]
        if (method === 'fails') throw new ControlError('control.params', 'no more')
      })(),
    )
    await using client = await ControlClient.connect(server.path)
    const rows: unknown[] = []
    for await (const piece of client.stream('ends')) rows.push(...piece)
    expect(rows).toEqual([1, 2, 3])
    await expect(
      (async () => {
        for await (const piece of client.stream('fails')) rows.push(...piece)
      })(),
    ).rejects.toMatchObject({ name: 'RefusedError', code: 'control.params' })
    expect(rows).toEqual([1, 2, 3, 1, 2, 3])
  })

  it('are rejected when the node goes away', async () => {
    const { handler } = endless()
    server = await serveControl(join(folder, 'node.sock'), handler)
    const client = await ControlClient.connect(server.path)
    await expect(
      (async () => {
        for await (const _rows of client.stream('rows')) await server?.close()
      })(),
    ).rejects.toMatchObject({ code: 'control.closed' })
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
