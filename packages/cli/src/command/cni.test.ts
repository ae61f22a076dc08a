import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../program/program.js'

let folder: string
const servers: Server[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-cni-command-'))
  await writeFile(join(folder, 'client'), 'program')
  process.env['HEDDLE_CNI_CLIENT'] = join(folder, 'client')
})
afterEach(async () => {
  delete process.env['HEDDLE_CNI_CLIENT']
  for (const server of servers.splice(0)) server.close()
  await rm(folder, { recursive: true })
})

async function heddle(...words: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ['', '']
  const output = {
    write: (text: string) => (out += text) !== '',
    drained: async () => undefined,
    error: (text: string) => (error += text),
    isTerminal: false,
  }
  const code = await run(words, { version: '1', executable: '/nowhere', output, input: (async function* () {})() })
  return { code, out, error }
}

describe('heddle cni', () => {
  it('installs once an agent serves, and uninstalls', async () => {
    const [bin, conf, socket] = ['bin', 'conf', 'cni.sock'].map((name) => join(folder, name))
    const install = ['cni', 'install', '--network', 'red', '--bin', bin, '--conf', conf, '--cni-socket', socket]
    expect(await heddle(...install)).toMatchObject({ code: 1, error: expect.stringContaining(`no agent serves ${socket}`) as string })
    const server = createServer((connection) => connection.end())
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    expect(await heddle(...install)).toEqual({ code: 0, out: `installed ${bin}/heddle-cni and ${conf}/00-heddle.conflist\n`, error: '' })
    expect(await readdir(conf)).toEqual(['00-heddle.conflist'])
    const again = await heddle(...install, '--json')
    expect(JSON.parse(again.out)).toEqual({ executable: `${bin}/heddle-cni`, configuration: `${conf}/00-heddle.conflist`, kept: [] })
    expect(await heddle('cni', 'uninstall', '--bin', bin, '--conf', conf)).toEqual({ code: 0, out: '', error: '' })
    const gone = await heddle('cni', 'uninstall', '--bin', bin, '--conf', conf, '--json')
    expect(JSON.parse(gone.out)).toEqual({ installed: false })
    expect([await readdir(conf), await readdir(bin)]).toEqual([[], []])
  })

  it('leaves out of the chain what the plugin does itself', async () => {
    const [bin, conf] = ['bin', 'conf'].map((name) => join(folder, name))
    const install = ['cni', 'install', '--network', 'red', '--bin', bin, '--conf', conf, '--chain', 'portmap', 'bandwidth']
    expect(await heddle(...install)).toMatchObject({
      code: 2,
      error: expect.stringContaining('--chain bandwidth: heddle-cni keeps pods to') as string,
    })
    expect(await readdir(folder)).toEqual(['client'])
  })

  it('says what it needs to verify a plugin', async () => {
    expect((await heddle('cni', 'verify', '/bin/true')).code).toBe(2)
    expect(await heddle('cni', 'verify', '/bin/true', '--config', join(folder, 'none'))).toMatchObject({
      code: 2,
      error: expect.stringContaining('--config') as string,
    })
  })
})
