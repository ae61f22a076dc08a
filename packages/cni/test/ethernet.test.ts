// Pods on Ethernet: two nodes with the TUN dataplane, a session between them, and Linux's own ARP and Neighbor Discovery inside the pods.
import { ROUTER_MAC } from '@heddle/core'
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testPlugin, PLUGIN_CHECKS } from '../src/conformance/index.js'
import type { Answer, CallOptions } from './support/calls.js'
import { CLIENT, startCall } from './support/client.js'
import { labMissing, NodeLab } from './support/node-lab.js'

const missing = labMissing()
const UNDERLAY = ['192.0.2.77', '192.0.2.78'] as const
const GATEWAY = '10.11.0.254'
/** What takes seconds says nothing of a device's kind, and is run with HEDDLE_DEPTH=full. */
const checks = PLUGIN_CHECKS.filter(({ id }) => process.env['HEDDLE_DEPTH'] === 'full' || !/^kill|^parallel|^del\.frees/.test(id))

describe.skipIf(missing !== '')(`pods on Ethernet${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let near: NodeLab
  let far: NodeLab
  const results = new Map<string, Answer>()

  beforeAll(async () => {
    const networks = (third: number) => [
      {
        name: 'frames',
        vrf: 'red',
        prefix: `10.11.${third}.0/24`,
        link: 'ethernet' as const,
        gateway: third === 0 ? GATEWAY : `10.11.${third}.254`,
      },
    ]
    near = new NodeLab({ nodeAddresses: false, address: UNDERLAY[0], neighbor: UNDERLAY[1], networks: networks(0) })
    far = new NodeLab({ nodeAddresses: false, address: UNDERLAY[1], neighbor: UNDERLAY[0], networks: networks(1) })
    execFileSync('ip', `-n ${nameOf(near)} link add up0 type veth peer name up0 netns ${nameOf(far)}`.split(' '))
    for (const [lab, own, other] of [
      [near, '198.51.100.1', 1],
      [far, '198.51.100.2', 0],
    ] as const) {
      lab.namespaces.in('host', 'ip', 'address', 'add', `${own}/24`, 'dev', 'up0')
      lab.namespaces.in('host', 'ip', 'link', 'set', 'up0', 'up')
      lab.namespaces.in('host', 'ip', 'route', 'add', `${UNDERLAY[other]}/32`, 'via', `198.51.100.${other + 1}`)
    }
    await Promise.all([near.start(), far.start()])
  })
  afterAll(async () => {
    await near?.close()
    await far?.close()
  })

  const pod = (lab: NodeLab, name: string, config: object = { network: 'frames' }): CallOptions => ({
    id: name,
    netns: lab.namespaces.path(name),
    config,
  })
  const call = async (lab: NodeLab, verb: string, options: CallOptions): Promise<Answer> => {
    const { output } = await startCall(lab.socket, verb, options).ended
    return output === '' ? {} : (JSON.parse(output) as Answer)
  }
  const linkOf = (lab: NodeLab, name: string): string => lab.namespaces.in(name, 'ip', '-d', '-o', 'link', 'show', 'eth0')
  const neighbour = (lab: NodeLab, name: string, address: string): string =>
    lab.namespaces.in(name, 'ip', 'neighbour', 'show', address, 'dev', 'eth0')
  const addressOf = (name: string): string => (results.get(name)?.ips?.[0]?.address ?? '').split('/', 1)[0]
  const pings = (lab: NodeLab, name: string, address: string): boolean =>
    lab.namespaces.succeeds(name, 'ping', '-c', '1', '-W', '5', address)

  it('get a device with the MAC that the result tells, by their network or by their own configuration', async () => {
    for (const [lab, name, config] of [
      [near, 'e1', { network: 'frames' }],
      [far, 'e2', { network: 'frames' }],
      [far, 't2', { network: 'frames', link: 'ip' }],
      [near, 'e3', { network: 'red', link: 'ethernet' }],
    ] as const) {
      const result = await call(lab, 'ADD', pod(lab, name, config))
      expect([name, result.msg]).toEqual([name, undefined])
      results.set(name, result)
      const link = linkOf(lab, name)
      expect(link).toContain(name.startsWith('e') ? `link/ether ${String(result.interfaces?.[0]['mac'])} ` : 'link/none')
      expect(await call(lab, 'CHECK', pod(lab, name, { ...config, prevResult: result }))).toEqual({})
    }
    expect(results.get('e1')?.ips).toMatchObject([{ gateway: GATEWAY }])
  })

  it('find their gateway, which answers pings, and by it whoever is on another node', async () => {
    expect(pings(near, 'e1', GATEWAY)).toBe(true)
    expect(neighbour(near, 'e1', GATEWAY)).toContain(`lladdr ${ROUTER_MAC}`)
    near.namespaces.in('e1', 'ip', 'route', 'add', GATEWAY, 'dev', 'eth0')
    near.namespaces.in('e1', 'ip', 'route', 'add', '10.11.1.0/24', 'via', GATEWAY)
    await expect.poll(() => pings(near, 'e1', addressOf('e2')), { timeout: 60_000 }).toBe(true)
    expect(neighbour(near, 'e1', addressOf('e2'))).toBe('')
    near.namespaces.in('e1', 'ip', 'route', 'delete', '10.11.1.0/24')
  })

  it('reach, by ARP and Neighbor Discovery for each, pods of either kind on both nodes', async () => {
    const sixth = results.get('e3')?.ips?.[1]?.address.split('/', 1)[0] ?? ''
    results.set('e4', await call(near, 'ADD', pod(near, 'e4', { network: 'red', link: 'ethernet' })))
    for (const [lab, from, to] of [
      [near, 'e1', addressOf('t2')],
      [far, 't2', addressOf('e1')],
      [near, 'e1', addressOf('e2')],
      [near, 'e4', sixth],
    ] as const) {
      await expect.poll(() => pings(lab, from, to), { timeout: 60_000 }).toBe(true)
      if (from.startsWith('e')) expect(neighbour(lab, from, to)).toContain(`lladdr ${ROUTER_MAC}`)
    }
  })

  it('are seen by CHECK to have another MAC', async () => {
    near.namespaces.in('e1', 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:99')
    const { msg } = await call(near, 'CHECK', pod(near, 'e1', { network: 'frames', prevResult: results.get('e1') }))
    expect(msg).toMatch(/has the MAC 02:00:00:00:00:99, not/)
  })

  it('pass what every plugin must do', async () => {
    const outcomes = await testPlugin(
      {
        file: CLIENT,
        config: { type: 'heddle', network: 'small', link: 'ethernet', socket: near.socket },
        path: ['/usr/lib/cni'],
        host: near.namespaces.path('host'),
        addresses: 14,
      },
      checks,
    )
    expect(outcomes.filter(({ outcome }) => outcome !== 'passed').map(({ check, reason }) => `${check.id}: ${reason}`)).toEqual([])
    expect(outcomes.length).toBeGreaterThan(30)
  })
})

function nameOf({ namespaces }: NodeLab): string {
  return namespaces.path('host').replace('/run/netns/', '')
}
