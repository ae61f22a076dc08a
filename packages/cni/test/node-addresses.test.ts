// Endpoints of equal addresses on one node, reached from the node itself: each by an address of its own there.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CniResponse } from '../src/index.js'
import type { Answer, CallOptions } from './support/calls.js'
import { startCall } from './support/client.js'
import { labMissing, NodeLab } from './support/node-lab.js'

const missing = labMissing() || (existsSync('/usr/sbin/nft') ? '' : 'needs nftables')
const json = ({ output }: CniResponse): Answer => (output === '' ? {} : (JSON.parse(output) as Answer))
/** Answers each connection with its own name and the address that it comes from. */
const SERVER = `require('net').createServer((c) => c.end(process.argv[1] + ' ' + c.remoteAddress)).listen(8080, '::', () => console.log('up'))`
const CLIENT = `require('net').connect(Number(process.argv[2]), process.argv[1]).on('error', (e) => console.log(e.code)).pipe(process.stdout)`

describe.skipIf(missing !== '')(`addresses on the node${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let lab: NodeLab
  const servers: ChildProcess[] = []
  const results = new Map<string, Answer>()
  beforeAll(async () => {
    lab = new NodeLab({ nodeAddresses: true })
    await lab.start()
  })
  afterAll(async () => {
    for (const server of servers) server.kill()
    await lab.close()
  })

  const pod = (name: string, network: string, config: object = {}): CallOptions => ({
    id: name,
    netns: lab.namespaces.path(name),
    config: { network, ...config },
  })
  const call = async (verb: string, options: CallOptions): Promise<Answer> => json(await startCall(lab.socket, verb, options).ended)
  const from = async (where: string, address: string, port = 8080): Promise<string> => {
    const command = ['nsenter', `--net=${lab.namespaces.path(where)}`, process.execPath, '-e', CLIENT, address, String(port)]
    return (await promisify(execFile)(command[0], command.slice(1), { timeout: 60_000 })).stdout.trim()
  }
  const serve = async (name: string): Promise<void> => {
    const server = spawn('nsenter', [`--net=${lab.namespaces.path(name)}`, process.execPath, '-e', SERVER, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    servers.push(server)
    await new Promise((resolve) => server.stdout?.once('data', resolve))
  }
  const nodeAddressesOf = async (name: string): Promise<readonly string[]> => {
    const text = lab.namespaces.in('host', 'nft', '-j', 'list', 'table', 'inet', 'heddle_cni')
    const { nftables } = JSON.parse(text) as { nftables: { map?: { name: string; elem?: [{ concat: [string, string] }, string][] } }[] }
    const own = lab.namespaces.in(name, 'ip', '-o', 'address', 'show', 'eth0')
    const device = name.startsWith('red') ? 'hdnode1' : 'hdnode2'
    return nftables.flatMap(({ map }) =>
      map?.name.startsWith('to') === true
        ? (map.elem ?? [])
            .filter(([{ concat }, endpoint]) => concat[0] === device && own.includes(` ${endpoint}/`))
            .map(([{ concat }]) => concat[1])
        : [],
    )
  }

  it('gives each of two pods of equal addresses one of its own, and tells the runtime of it where it shall', async () => {
    for (const [name, network] of [
      ['red1', 'probed-red'],
      ['blue1', 'probed-blue'],
    ] as const) {
      results.set(name, await call('ADD', pod(name, network)))
      await serve(name)
    }
    const told = (name: string): string[] => (results.get(name)?.ips ?? []).map(({ address }) => address)
    expect(told('red1')).toEqual(['100.64.16.1/32', 'fd68:6564:646c:6500::1001/128'])
    expect(told('blue1')).toEqual(['10.9.0.1/32', 'fd09::1/128'])
    for (const name of ['red1', 'blue1']) expect(lab.namespaces.in(name, 'ip', '-o', 'address', 'show', 'eth0')).toContain(' 10.9.0.1/32')
    expect(await nodeAddressesOf('blue1')).toEqual(['100.64.32.1', 'fd68:6564:646c:6500::2001'])
  })

  it('is answered by the one that it asks, in both families, and is seen as the node', async () => {
    for (const name of ['red1', 'blue1']) {
      const [four, six] = await nodeAddressesOf(name)
      expect(await from('host', four)).toBe(`${name} ::ffff:100.64.0.1`)
      expect(await from('host', six)).toBe(`${name} fd68:6564:646c:6500::1`)
      expect(lab.namespaces.succeeds('host', 'ping', '-c', '1', '-W', '10', four)).toBe(true)
    }
  })

  it('lets a pod reach what its node serves, as itself, and no other node address', async () => {
    await serve('host')
    expect(await from('blue1', '100.64.0.1')).toBe('host ::ffff:100.64.32.1')
    expect(await from('red1', 'fd68:6564:646c:6500::1')).toBe('host fd68:6564:646c:6500::1001')
    expect(lab.namespaces.succeeds('blue1', 'ping', '-c', '1', '-W', '1', '100.64.16.1')).toBe(false)
  })

  it('checks what the runtime was told', async () => {
    for (const [name, network] of [
      ['red1', 'probed-red'],
      ['blue1', 'probed-blue'],
    ] as const) {
      expect((await call('CHECK', pod(name, network, { prevResult: results.get(name) }))).msg).toBeUndefined()
    }
    const [red, blue] = ['red1', 'blue1'].map((name) => results.get(name))
    expect(await call('CHECK', pod('red1', 'probed-red', { prevResult: { ...red, ips: blue?.ips } }))).toEqual({})
    const other = { ...red, ips: red?.ips?.map((ip) => ({ ...ip, address: ip.address.replace('.1/', '.9/') })) }
    expect(await call('CHECK', pod('red1', 'probed-red', { prevResult: other }))).toMatchObject({ code: 103 })
  })

  it('goes on when the agent is killed, and has everything again when it is back', async () => {
    const before = await nodeAddressesOf('red1')
    await lab.end('SIGKILL')
    expect(await from('host', before[0])).toBe('red1 ::ffff:100.64.0.1')
    lab.namespaces.in('host', 'nft', 'delete', 'table', 'inet', 'heddle_cni')
    await lab.start()
    expect(await nodeAddressesOf('red1')).toEqual(before)
    for (const name of ['red1', 'blue1']) expect(await from('host', (await nodeAddressesOf(name))[0])).toBe(`${name} ::ffff:100.64.0.1`)
    expect(lab.namespaces.in('host', 'ip', 'route')).not.toMatch(/^default/m)
  })

  it('leaves nothing: no device of the node, no translation, no address', async () => {
    for (const [name, network] of [
      ['red1', 'probed-red'],
      ['blue1', 'probed-blue'],
    ] as const) {
      expect(await call('DEL', pod(name, network))).toEqual({})
      expect(await call('DEL', pod(name, network))).toEqual({})
    }
    expect(lab.namespaces.in('host', 'ip', '-o', 'link')).not.toContain('hdnode')
    expect(lab.namespaces.in('host', 'nft', 'list', 'table', 'inet', 'heddle_cni')).not.toContain('elements')
  })
})
