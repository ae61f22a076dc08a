import crypto from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claim, connectToClaim, listenAt } from './claim.js'

describe('a claim', () => {
  let directory: string
  let servers: Server[]
  const server = (): Server => {
    const made = createServer((socket) => socket.on('error', () => undefined).end())
    servers.push(made)
    return made
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hd-claim-'))
    servers = []
  })

  afterEach(() => {
    for (const made of servers) made.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('is found, is its owner’s alone, and is gone when it is given up', async () => {
    const release = await claim(directory, server())
    expect(readdirSync(directory)).toEqual(['forwarder.1.sock'])
    expect(statSync(join(directory, 'forwarder.1.sock')).mode & 0o777).toBe(0o600)
    const socket = await connectToClaim(directory)
    expect(socket).toBeDefined()
    socket?.destroy()
    await release()
    expect(await connectToClaim(directory)).toBeUndefined()
    expect(readdirSync(directory)).toEqual([])
  })

  it('is refused while another one answers', async () => {
    await claim(directory, server())
    await expect(claim(directory, server())).rejects.toMatchObject({ code: 'dataplane.busy' })
    expect(readdirSync(directory)).toEqual(['forwarder.1.sock'])
  })

  it('takes the place of a dead one, whose name goes', async () => {
    const dead = server()
    await claim(directory, dead)
    dead.close()
    await once(dead, 'close')
    writeFileSync(join(directory, 'forwarder.7.sock'), '')
    await claim(directory, server())
    expect(readdirSync(directory)).toEqual(['forwarder.8.sock'])
  })

  it('is had by at most one of many that try at once, again and again', async () => {
    for (let round = 0; round < 20; round++) {
      const attempts = await Promise.allSettled(Array.from({ length: 5 }, () => claim(directory, server())))
      const won = attempts.filter((attempt) => attempt.status === 'fulfilled')
      expect(won.length).toBeLessThanOrEqual(1)
      for (const attempt of attempts) if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'dataplane.busy' })
      for (const { value } of won) await value()
      for (const made of servers.splice(0)) made.close()
    }
  })

  // It was refused as if the directory could not be used.
  it('is tried under another passing name when another claimant has drawn the same', async () => {
    const passing = `claim.${process.pid}.7.sock`
    await listenAt(server(), join(directory, passing))
    const drawn = [7, 8]
    vi.spyOn(crypto as { randomInt: (max: number) => number }, 'randomInt').mockImplementation(() => drawn.shift() ?? expect.unreachable())
    syncBuiltinESMExports()
    try {
      await claim(directory, server())
    } finally {
      vi.restoreAllMocks()
      syncBuiltinESMExports()
    }
    expect([drawn, readdirSync(directory).sort()]).toEqual([[], [passing, 'forwarder.1.sock']])
  })

  // It failed by a TypeError of its own, and went on listening.
  it.each([
    ['EPERM', 'dataplane.permission'],
    ['ENOENT', 'dataplane.device'],
  ])('is refused where its socket cannot be made its owner’s alone (%s)', async (errno, code) => {
    const refusal = Object.assign(new Error(`${errno}: refused`), { code: errno })
    vi.spyOn(promises, 'chmod').mockRejectedValue(refusal)
    syncBuiltinESMExports()
    const refused = server()
    try {
      await expect(claim(directory, refused)).rejects.toMatchObject({ code, cause: refusal })
    } finally {
      vi.restoreAllMocks()
      syncBuiltinESMExports()
    }
    expect([refused.listening, readdirSync(directory)]).toEqual([false, []])
  })

  it('needs a directory that a unix socket’s path has room for', async () => {
    await expect(claim(join(directory, 'x'.repeat(100)), server())).rejects.toMatchObject({ code: 'dataplane.device' })
  })
})
