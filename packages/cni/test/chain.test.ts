// Debian's `portmap` and `bandwidth` behind our plugin in a chain, as a runtime calls them: ports of the host for pods of equal addresses; and what needs no
// chain, limits of bandwidth.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from './support/calls.js'
import { startCall } from './support/client.js'
import { labMissing, NodeLab } from './support/node-lab.js'

const REFERENCE = '/usr/lib/cni'
const needed = { '/usr/sbin/nft': 'nftables', '/usr/sbin/iptables': 'iptables', [`${REFERENCE}/portmap`]: 'containernetworking-plugins' }
const absent = Object.entries(needed).find(([path]) => !existsSync(path))
const missing = labMissing() || (absent === undefined ? '' : `needs the Debian package ${absent[1]}`)
/** Answers each connection with its own name and the address that it comes from. */
const SERVER = `require('net').createServer((c) => c.end(process.argv[1] + ' ' + c.remoteAddress)).listen(8080, '::', () => console.log('up'))`
const CLIENT = `
  const socket = require('net').connect(Number(process.argv[2]), process.argv[1]).on('error', (e) => console.log(e.code))
  socket.setTimeout(10_000, () => { console.log('no answer'); socket.destroy() }).pipe(process.stdout)`

/** Takes what comes, and answers how many octets that were. */
const SINK = `
  require('net').createServer({ allowHalfOpen: true }, (c) => {
    let octets = 0
    c.on('data', (chunk) => (octets += chunk.length)).on('end', () => c.end(String(octets)))
  }).listen(8080, '::', () => console.log('up'))`
/** Sends octets, and says how many came, and in how many milliseconds. */
const SOURCE = `
  const begun = performance.now()
  const socket = require('net').connect(8080, process.argv[1]).on('error', (e) => console.log(e.code))
  let answer = ''
  socket.end(Buffer.alloc(Number(process.argv[2])))
  socket.on('data', (chunk) => (answer += chunk)).on('close', () => console.log(answer, performance.now() - begun))`

/** A plugin of the list behind ours, with what the runtime gives it. */
interface Link {
  readonly type: string
  readonly runtimeConfig: object
}

describe.skipIf(missing !== '')(`a chain of plugins${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let lab: NodeLab
  const servers: ChildProcess[] = []

  beforeAll(async () => {
    lab = new NodeLab({
      nodeAddresses: true,
      networks: ['red', 'blue'].map((name) => ({ name: `hosted-${name}`, vrf: name, prefix: '10.9.0.0/24', report: 'node-address' })),
    })
    await lab.start()
    // A client somewhere on the underlay, which sees the node's address only.
    lab.namespaces.path('client')
    lab.namespaces.in('host', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
    lab.namespaces.in(
      'host',
      'ip',
      'link',
      'add',
      'outside',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      lab.namespaces.path('client'),
    )
    lab.namespaces.in('host', 'ip', 'address', 'add', '203.0.113.1/24', 'dev', 'outside')
    lab.namespaces.in('host', 'ip', 'link', 'set', 'outside', 'up')
    lab.namespaces.in('client', 'ip', 'address', 'add', '203.0.113.2/24', 'dev', 'eth0')
    lab.namespaces.in('client', 'ip', 'link', 'set', 'eth0', 'up')
  })
  afterAll(async () => {
    for (const server of servers) server.kill()
    await lab.close()
  })

  const inHost = async (file: string, env: Record<string, string>, input: string): Promise<{ exitCode: number; output: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn('nsenter', [`--net=${lab.namespaces.path('host')}`, file], { env: { PATH: '/usr/sbin:/usr/bin', ...env } })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
      child.once('error', reject)
      child.once('close', (code) => resolve({ exitCode: code ?? -1, output }))
      child.stdin.end(input)
    })
  const one = async (verb: string, pod: string, { type, runtimeConfig }: Link, prevResult: object): Promise<Answer> => {
    const variables = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod,
      CNI_NETNS: lab.namespaces.path(pod),
      CNI_IFNAME: 'eth0',
      CNI_PATH: REFERENCE,
    }
    const config = { cniVersion: '1.0.0', name: 'pods', type, runtimeConfig, prevResult }
    const { output } = await inHost(`${REFERENCE}/${type}`, variables, JSON.stringify(config))
    return output === '' ? {} : (JSON.parse(output) as Answer)
  }
  const ours = async (verb: string, pod: string, network: string, prevResult?: object, runtimeConfig = {}): Promise<Answer> => {
    const config = { cniVersion: '1.0.0', network, runtimeConfig, ...(prevResult === undefined ? {} : { prevResult }) }
    const { output } = await startCall(lab.socket, verb, { id: pod, netns: lab.namespaces.path(pod), config }).ended
    return output === '' ? {} : (JSON.parse(output) as Answer)
  }
  /** In order, each with the result of the one before; the first error is the answer. */
  const add = async (pod: string, network: string, chain: readonly Link[]): Promise<Answer> => {
    let result = await ours('ADD', pod, network)
    for (const link of chain) if (result.code === undefined) result = await one('ADD', pod, link, result)
    return result
  }
  const remove = async (pod: string, network: string, chain: readonly Link[], result: object): Promise<Answer[]> => {
    const answers = []
    for (const link of chain.toReversed()) answers.push(await one('DEL', pod, link, result))
    return [...answers, await ours('DEL', pod, network, result)]
  }
  const serve = async (name: string, script = SERVER): Promise<void> => {
    const server = spawn('nsenter', [`--net=${lab.namespaces.path(name)}`, process.execPath, '-e', script, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    servers.push(server)
    await new Promise((resolve) => server.stdout?.once('data', resolve))
  }
  const ask = async (port: number): Promise<string> => {
    const command = [`--net=${lab.namespaces.path('client')}`, process.execPath, '-e', CLIENT, '203.0.113.1', String(port)]
    return (await promisify(execFile)('nsenter', command, { timeout: 60_000 })).stdout.trim()
  }
  const port = (hostPort: number): Link => ({
    type: 'portmap',
    runtimeConfig: { portMappings: [{ hostPort, containerPort: 8080, protocol: 'tcp' }] },
  })
  /** No limit is asked for: it hands on what was before it. */
  const unlimited: Link = { type: 'bandwidth', runtimeConfig: {} }

  it('leads ports of the host to pods of equal addresses, each to its own, and takes them back', async () => {
    const pods = [
      { name: 'red1', network: 'hosted-red', chain: [port(18_080), unlimited] },
      { name: 'blue1', network: 'hosted-blue', chain: [port(18_081), unlimited] },
    ]
    const results = []
    for (const { name, network, chain } of pods) {
      const result = await add(name, network, chain)
      expect([result.msg, result.ips?.[0]?.address]).toEqual([undefined, name === 'red1' ? '100.64.16.1/32' : '100.64.32.1/32'])
      results.push(result)
      await serve(name)
      expect(lab.namespaces.in(name, 'ip', '-o', 'address', 'show', 'eth0')).toContain(' 10.9.0.1/32')
    }
    expect([await ask(18_080), await ask(18_081)]).toEqual(['red1 ::ffff:100.64.0.1', 'blue1 ::ffff:100.64.0.1'])
    for (const [index, { name, network, chain }] of pods.entries()) {
      expect(await ours('CHECK', name, network, results[index])).toEqual({})
      expect(await remove(name, network, chain, results[index])).toEqual([{}, {}, {}])
      expect(await ask(18_080 + index)).toBe('ECONNREFUSED')
    }
    expect(lab.namespaces.in('host', 'iptables', '-t', 'nat', '-S')).not.toContain('100.64.')
  })

  it('keeps TCP of a pod to the limits that the runtime asks for, each way, without a plugin of that name behind it', async () => {
    const octets = 1_500_000
    const bandwidth = { egressRate: 8_000_000, egressBurst: 2_400_000, ingressRate: 6_000_000, ingressBurst: 2_400_000 }
    const [limited, free] = ['red2', 'red3']
    const result = await ours('ADD', limited, 'hosted-red', undefined, { bandwidth })
    expect(result.msg).toBe(undefined)
    expect(await ours('CHECK', limited, 'hosted-red', result, { bandwidth })).toEqual({})
    await ours('ADD', free, 'hosted-red')
    const addresses = [limited, free].map(
      (pod) => /inet ([\d.]+)/.exec(lab.namespaces.in(pod, 'ip', '-o', '-4', 'address', 'show', 'eth0'))?.[1] ?? '',
    )
    for (const pod of [limited, free]) await serve(pod, SINK)
    const send = async (from: string, to: string): Promise<readonly [number, number]> => {
      const command = [`--net=${lab.namespaces.path(from)}`, process.execPath, '-e', SOURCE, to, String(octets)]
      const { stdout } = await promisify(execFile)('nsenter', command, { timeout: 100_000 })
      const [came, milliseconds] = stdout.trim().split(' ').map(Number)
      return [came, milliseconds]
    }
    const [out, back] = [await send(limited, addresses[1]), await send(free, addresses[0])]
    // What the bursts let pass beforehand, and one segment as offloads keep it in one piece, takes no time.
    const least = (rate: number): number => ((octets - 300_000 - 65_536) * 8000) / rate
    expect([out[0], back[0]]).toEqual([octets, octets])
    expect(out[1]).toBeGreaterThan(least(bandwidth.egressRate))
    expect(back[1]).toBeGreaterThan(least(bandwidth.ingressRate))
    console.log(`1.5 MB took ${out[1].toFixed()} ms at 8 Mbit/s, ${back[1].toFixed()} ms at 6 Mbit/s`)
    for (const pod of [limited, free]) expect(await ours('DEL', pod, 'hosted-red')).toEqual({})
  }, 120_000)

  it('tells what a plugin behind ours refuses, and leaves nothing of it: a TUN has no end on the host to limit', async () => {
    const limited: Link = { type: 'bandwidth', runtimeConfig: { bandwidth: { ingressRate: 1_000_000, ingressBurst: 1_000_000 } } }
    const result = await add('red4', 'hosted-red', [limited])
    expect(result.msg).toMatch(/interface/)
    expect((await remove('red4', 'hosted-red', [], {})).at(-1)).toEqual({})
    expect(lab.namespaces.succeeds('red4', 'ip', 'link', 'show', 'eth0')).toBe(false)
  })
})
