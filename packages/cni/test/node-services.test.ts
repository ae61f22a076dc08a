// What a node serves to its pods, here names by dnsmasq: an endpoint in the node's own namespace, in a VRF whose route target others import.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CniResponse } from '../src/index.js'
import type { Answer } from './support/calls.js'
import { startCall } from './support/client.js'
import { labMissing, NodeLab } from './support/node-lab.js'

const missing = labMissing() || (existsSync('/usr/sbin/dnsmasq') ? '' : 'needs the Debian package dnsmasq-base')
const SERVICE = '10.255.0.53'
/** Resolves a name by the service; prints what it resolves to, or why it does not. */
const RESOLVE = `
  const resolver = new (require('node:dns').promises.Resolver)({ timeout: 700, tries: Number(process.argv[2]) })
  resolver.setServers(['${SERVICE}'])
  resolver.resolve4(process.argv[1]).then((found) => console.log(found.join()), (error) => console.log(error.code))`

describe.skipIf(missing !== '')(`services of a node${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let lab: NodeLab
  let server: ChildProcess | undefined
  let log = ''

  beforeAll(async () => {
    const services = { vrf: 'services', netns: '/proc/self/ns/net', ifname: 'hdservices', addresses: [SERVICE] }
    lab = new NodeLab({
      nodeAddresses: false,
      configuration: {
        vrfs: [
          { name: 'services', rd: '65000:53', import: ['65000:3'], export: ['65000:53'] },
          { name: 'green', rd: '65000:3', import: ['65000:3', '65000:53'], export: ['65000:3'] },
          { name: 'grey', rd: '65000:4', import: ['65000:4'], export: ['65000:4'] },
        ],
        endpoints: [{ ...services, routes: ['10.20.0.0/24', '10.254.0.0/24'] }],
        // Addresses of red and blue overlap: each is one address to the services.
        nat: [
          { vrf: 'red', outside: 'services', address: '10.254.0.1', destinations: [`${SERVICE}/32`] },
          { vrf: 'blue', outside: 'services', address: '10.254.0.2', destinations: [`${SERVICE}/32`] },
        ],
      },
      networks: [
        { name: 'green', vrf: 'green', prefix: '10.20.0.0/24' },
        { name: 'grey', vrf: 'grey', prefix: '10.21.0.0/24' },
      ],
    })
    await lab.start()
    const words = ['--no-daemon', '--no-resolv', '--no-hosts', '--bind-interfaces', `--listen-address=${SERVICE}`, '--user=root']
    const names = ['--address=/api.heddle.test/192.0.2.80', '--log-queries', '--log-facility=-', '--pid-file=']
    const dnsmasq = spawn('nsenter', [`--net=${lab.namespaces.path('host')}`, 'dnsmasq', '--conf-file=/dev/null', ...words, ...names])
    server = dnsmasq
    await new Promise<void>((resolve, reject) => {
      dnsmasq.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text
        if (log.includes('started')) resolve()
      })
      dnsmasq.once('exit', () => reject(new RangeError(`dnsmasq ended: ${log}`)))
    })
  })

  afterAll(async () => {
    server?.removeAllListeners('exit')
    server?.kill()
    await lab.close()
  })

  const add = async (name: string, network: string): Promise<string | undefined> => {
    const { output }: CniResponse = await startCall(lab.socket, 'ADD', { id: name, netns: lab.namespaces.path(name), config: { network } })
      .ended
    const { msg, ips = [] } = JSON.parse(output) as Answer
    return msg ?? ips[0]?.address
  }
  const resolve = async (pod: string, name: string, tries = 8): Promise<string> => {
    const command = [`--net=${lab.namespaces.path(pod)}`, process.execPath, '-e', RESOLVE, name, String(tries)]
    return (await promisify(execFile)('nsenter', command, { timeout: 60_000 })).stdout.trim()
  }
  /** Whom the server has seen asking. */
  const askers = (): string[] =>
    [...new Set(Array.from(log.matchAll(/query\[A\] api\.heddle\.test from (\S+)/g), ([, from]) => from))].sort()

  it('are reached by pods of a VRF that imports their route target, as themselves', async () => {
    expect(await add('g1', 'green')).toBe('10.20.0.1/32')
    expect(await resolve('g1', 'api.heddle.test')).toBe('192.0.2.80')
    await expect.poll(askers).toEqual(['10.20.0.1'])
  })

  it('are reached by pods of equal addresses in two VRFs at once, each seen as its VRF', async () => {
    expect([await add('r1', 'red'), await add('b1', 'blue')]).toEqual(['10.7.0.1/32', '10.7.0.1/32'])
    const answers = await Promise.all(['r1', 'b1', 'r1', 'b1'].map(async (pod) => resolve(pod, 'api.heddle.test')))
    expect(answers).toEqual(['192.0.2.80', '192.0.2.80', '192.0.2.80', '192.0.2.80'])
    await expect.poll(askers).toEqual(['10.20.0.1', '10.254.0.1', '10.254.0.2'])
  })

  it('are not reached by pods of a VRF that does not import it, and lead to no other VRF', async () => {
    expect(await add('y1', 'grey')).toBe('10.21.0.1/32')
    expect(await resolve('y1', 'api.heddle.test', 1)).toMatch(/ETIMEOUT|ECONNREFUSED/)
    expect(lab.namespaces.succeeds('g1', 'ping', '-c', '1', '-W', '1', '10.7.0.1')).toBe(false)
    expect(askers()).not.toContain('10.21.0.1')
    expect(lab.namespaces.in('host', 'ip', 'route')).not.toMatch(/^default/m)
  })
})
