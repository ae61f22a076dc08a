import { mkdir, mkdtemp, readdir, rm, stat, watch, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isSocketServed, listenPrivately } from './private-socket.js'

let top: string

beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), 'heddle-socket-'))
})
afterEach(async () => {
  await rm(top, { recursive: true })
})

/** Names that came up in `folder` while `work` was done. */
async function namesMade(folder: string, work: () => Promise<void>): Promise<string[]> {
  const ending = new AbortController()
  const names: string[] = []
  const events = watch(folder, { signal: ending.signal })
  const last = (async () => {
    for await (const { filename } of events) {
      if (filename === 'last') return
      names.push(filename ?? '')
    }
  })()
  await work()
  await writeFile(join(folder, 'last'), '')
  await last
  ending.abort()
  return names
}

describe.skipIf(process.platform !== 'linux')('a private socket (Linux: events of a folder come in their order there)', () => {
  it('is made inside of its folder, which may be a mount of its own, with nothing beside it', async () => {
    const folder = join(top, 'run')
    await mkdir(folder)
    const server = createServer()
    const path = join(folder, 'node.sock')
    expect(await namesMade(top, async () => void (await listenPrivately(server, path)))).toEqual([])
    expect(await readdir(folder)).toEqual(['node.sock'])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await isSocketServed(path)).toBe(true)
    server.close()
    expect(await isSocketServed(path)).toBe(false)
  })

  it('is served by somebody who is too busy to accept: its name was taken from a running agent in a burst of calls', async () => {
    const server = createServer()
    const path = join(top, 'node.sock')
    await listenPrivately(server, path, { backlog: 1 })
    // Nothing is accepted before this turn of the event loop ends.
    const clients = Array.from({ length: 4 }, () => connect(path))
    const refusals = clients.map((client) => new Promise((resolve) => client.once('connect', resolve).once('error', resolve)))
    const isServed = isSocketServed(path)
    expect(await Promise.all(refusals)).toContainEqual(expect.objectContaining({ code: 'EAGAIN' }))
    expect(await isServed).toBe(true)
    for (const client of clients) client.destroy()
    server.close()
  })

  it('is not said to be served or left over where the system tells neither', async () => {
    const file = join(top, 'file')
    await writeFile(file, '')
    expect(await isSocketServed(file)).toBe(false)
    await expect(isSocketServed(join(file, 'node.sock'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })
})

it('a private socket replaces what was left, and its name is removed only while it is its own', async () => {
  const path = join(top, 'deep', 'node.sock')
  const [first, second] = [createServer(), createServer()]
  const before = await listenPrivately(first, path)
  const after = await listenPrivately(second, path, { backlog: 1024 })
  await before.remove()
  expect(await readdir(join(top, 'deep'))).toEqual(['node.sock'])
  await after.remove()
  expect(await readdir(join(top, 'deep'))).toEqual([])
  first.close()
  second.close()
})

it('a private socket that cannot be made leaves nothing behind', async () => {
  const taken = join(top, 'node.sock')
  await mkdir(join(taken, 'folder'), { recursive: true })
  const server = createServer()
  await expect(listenPrivately(server, taken)).rejects.toMatchObject({ code: expect.stringMatching(/^E/) })
  server.close()
  expect(await readdir(top)).toEqual(['node.sock'])
})
