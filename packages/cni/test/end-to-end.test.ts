// Containers of a real node: the executable, called as a runtime calls it, an agent with the TUN dataplane, and packets between namespaces.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CniResponse } from '../src/index.js'
import type { Answer, CallOptions } from './support/calls.js'
import { startCall } from './support/client.js'
import { labMissing, NodeLab } from './support/node-lab.js'

const missing = labMissing()
const json = ({ output }: CniResponse): Answer => (output === '' ? {} : (JSON.parse(output) as Answer))

describe.skipIf(missing !== '')(`a real node${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let lab: NodeLab
  beforeAll(async () => {
    lab = new NodeLab()
    await lab.start()
  })
  afterAll(async () => {
    await lab.close()
  })

  const pod = (name: string, network = 'red', more: CallOptions = {}): CallOptions => ({
    id: name,
    netns: lab.namespaces.path(name),
    path: '/usr/lib/cni',
    ...more,
    config: { network, ...more.config },
  })
  const call = async (verb: string, options: CallOptions): Promise<{ exitCode: number; json: Answer }> => {
    const response = await startCall(lab.socket, verb, options).ended
    return { exitCode: response.exitCode, json: json(response) }
  }
  const pings = (name: string, address: string, seconds = 10): boolean =>
    lab.namespaces.succeeds(name, 'ping', '-c', '1', '-W', String(seconds), address)
  const results = new Map<string, Answer>()

  it('attaches pods of equal addresses to red and blue, and each reaches its own network', async () => {
    for (const [name, network] of [
      ['r1', 'red'],
      ['r2', 'red'],
      ['b1', 'blue'],
      ['b2', 'blue'],
      ['r3', 'red'],
    ] as const) {
      const { exitCode, json: result } = await call('ADD', pod(name, network))
      expect([exitCode, result.msg]).toEqual([0, undefined])
      results.set(name, result)
    }
    const addresses = (name: string): string[] => (results.get(name)?.ips ?? []).map(({ address }) => address)
    expect(addresses('r1')).toEqual(['10.7.0.1/32', 'fd07::1/128'])
    expect([addresses('b1'), addresses('b2')]).toEqual([addresses('r1'), addresses('r2')])
    const mtu = results.get('r1')?.interfaces?.[0]['mtu']
    expect(lab.namespaces.in('r1', 'cat', '/proc/net/dev')).toContain('eth0:')
    expect(lab.namespaces.in('r1', 'ip', '-o', 'link', 'show', 'eth0')).toContain(`mtu ${String(mtu)} `)
    for (const [name, address] of [
      ['r1', '10.7.0.2'],
      ['b1', '10.7.0.2'],
      ['r1', 'fd07::2'],
      ['r2', '10.7.0.3'],
    ] as const) {
      expect([name, address, pings(name, address)]).toEqual([name, address, true])
    }
    expect(pings('b1', '10.7.0.3', 1)).toBe(false)
    const received = (name: string): number => Number(/eth0:\s*\d+\s+(\d+)/.exec(lab.namespaces.in(name, 'cat', '/proc/net/dev'))?.[1])
    const before = [received('r2'), received('b2')]
    expect(pings('b1', '10.7.0.2')).toBe(true)
    expect([received('r2') - before[0], received('b2') - before[1] > 0]).toEqual([0, true])
  })

  it('checks what it attached, and sees what a pod has lost', async () => {
    const check = async (): Promise<string> =>
      (await call('CHECK', pod('r1', 'red', { config: { prevResult: results.get('r1') } }))).json.msg ?? ''
    expect(await check()).toBe('')
    lab.namespaces.in('r1', 'ip', 'route', 'delete', 'default')
    expect(await check()).toMatch(/has lost the route to 0\.0\.0\.0\/0/)
    lab.namespaces.in('r1', 'ip', 'route', 'add', 'default', 'dev', 'eth0')
    lab.namespaces.in('r1', 'ip', 'address', 'delete', '10.7.0.1/32', 'dev', 'eth0')
    expect(await check()).toMatch(/has lost the address 10\.7\.0\.1/)
    lab.namespaces.in('r1', 'ip', 'address', 'add', '10.7.0.1/32', 'dev', 'eth0')
    lab.namespaces.in('r1', 'ip', 'route', 'replace', 'default', 'dev', 'eth0') // went with its last address
    expect(await check()).toBe('')
  })

  it("refuses the host's namespace, one that is gone, and a name that is taken; touches nothing", async () => {
    expect((await call('ADD', { ...pod('r1'), id: 'h', netns: lab.namespaces.path('host') })).json.code).toBe(8)
    expect((await call('ADD', { ...pod('r1'), id: 'g', netns: '/run/netns/hdcni-none' })).json.code).toBe(3)
    expect((await call('ADD', { ...pod('r1'), id: 'l', ifname: 'lo' })).json.code).toBe(101)
    expect(pings('r1', '10.7.0.2')).toBe(true)
  })

  it('gives a second interface its own network, and leaves the default route with the first', async () => {
    const other = { ...pod('r3', 'blue'), ifname: 'net1' }
    const { json: added } = await call('ADD', other)
    expect([added.msg, added.ips?.map(({ address }) => address)]).toEqual([undefined, ['10.7.0.3/32', 'fd07::3/128']])
    const way = (...words: string[]): string | undefined => /dev (\S+)/.exec(lab.namespaces.in('r3', 'ip', 'route', 'get', ...words))?.[1]
    expect([way('10.7.0.1'), way('fd07::1'), way('10.7.0.1', 'oif', 'net1')]).toEqual(['eth0', 'eth0', 'net1'])
    const received = (name: string): number => Number(/eth0:\s*\d+\s+(\d+)/.exec(lab.namespaces.in(name, 'cat', '/proc/net/dev'))?.[1])
    const before = [received('r1'), received('b1')]
    expect(lab.namespaces.succeeds('r3', 'ping', '-c', '1', '-W', '10', '-I', 'net1', '10.7.0.1')).toBe(true)
    expect([received('r1') - before[0], received('b1') - before[1] > 0]).toEqual([0, true])
    expect(pings('r3', '10.7.0.1')).toBe(true)
    expect((await call('CHECK', { ...other, config: { network: 'blue', prevResult: added } })).json.msg).toBeUndefined()
    expect((await call('DEL', other)).exitCode).toBe(0)
    expect(pings('r3', '10.7.0.1')).toBe(true)
  })

  it('detaches: the device goes, the address is free again, the others go on', async () => {
    expect((await call('DEL', pod('r3'))).exitCode).toBe(0)
    expect(lab.namespaces.succeeds('r3', 'ip', 'link', 'show', 'eth0')).toBe(false)
    expect((await call('DEL', pod('r3'))).exitCode).toBe(0)
    const again = await call('ADD', pod('r3'))
    expect(again.exitCode).toBe(0)
    lab.namespaces.delete('r3')
    expect((await call('DEL', { ...pod('r1'), id: 'r3', netns: '/run/netns/hdcni-none' })).exitCode).toBe(0)
    expect(pings('r1', '10.7.0.2')).toBe(true)
  })

  it('loses no endpoint, of either kind, when the agent is killed and comes back, and forwards meanwhile', async () => {
    const frames = pod('e1', 'red', { config: { link: 'ethernet' } })
    results.set('e1', (await call('ADD', frames)).json)
    const mac = (): string | undefined => /link\/ether (\S+)/.exec(lab.namespaces.in('e1', 'ip', '-o', 'link', 'show', 'eth0'))?.[1]
    expect(mac()).toBe(results.get('e1')?.interfaces?.[0]['mac'])
    await lab.end('SIGKILL')
    expect(pings('e1', '10.7.0.2')).toBe(true)
    expect(pings('r1', '10.7.0.2')).toBe(true)
    expect(await call('ADD', pod('r4'))).toMatchObject({ exitCode: 1, json: { code: 11 } })
    expect(await call('STATUS', pod('r1'))).toMatchObject({ exitCode: 1, json: { code: 50 } })
    await lab.start()
    expect((await call('STATUS', pod('r1'))).exitCode).toBe(0)
    for (const name of ['r1', 'r2', 'b1', 'b2']) {
      const { exitCode, json: answer } = await call(
        'CHECK',
        pod(name, name.startsWith('r') ? 'red' : 'blue', { config: { prevResult: results.get(name) } }),
      )
      expect([name, exitCode, answer.msg]).toEqual([name, 0, undefined])
    }
    const checked = await call('CHECK', { ...frames, config: { ...frames.config, prevResult: results.get('e1') } })
    expect([checked.exitCode, checked.json.msg, mac()]).toEqual([0, undefined, results.get('e1')?.interfaces?.[0]['mac']])
    expect([pings('r1', '10.7.0.2'), pings('b1', '10.7.0.2'), pings('e1', '10.7.0.2')]).toEqual([true, true, true])
    const { json: added } = await call('ADD', pod('r4'))
    expect(added.ips?.map(({ address }) => address)).not.toContain('10.7.0.1/32')
    expect(pings('r4', '10.7.0.1')).toBe(true)
  })

  it('collects everything that is not listed', async () => {
    const valid = [
      { containerID: 'r1', ifname: 'eth0' },
      { containerID: 'r2', ifname: 'eth0' },
    ]
    expect((await call('GC', { ...pod('r1'), config: { 'cni.dev/valid-attachments': valid } })).exitCode).toBe(0)
    const has = ['r1', 'r2', 'r4', 'b1', 'b2'].filter((name) => lab.namespaces.succeeds(name, 'ip', 'link', 'show', 'eth0'))
    expect(has).toEqual(['r1', 'r2'])
    expect(pings('r1', '10.7.0.2')).toBe(true)
  })

  it('comes through kill -9 of client or agent at any moment: the next DEL and ADD work, and nothing is left', async () => {
    for (const [round, delay] of [0, 1, 2, 3, 5, 8, 12].entries()) {
      const { child, ended } = startCall(lab.socket, round % 2 === 0 ? 'ADD' : 'DEL', pod('k1'))
      await new Promise((resolve) => setTimeout(resolve, delay))
      child.kill('SIGKILL')
      await ended
      expect((await call('DEL', pod('k1'))).exitCode).toBe(0)
      expect(lab.namespaces.succeeds('k1', 'ip', 'link', 'show', 'eth0')).toBe(false)
      expect((await call('ADD', pod('k1'))).json.msg).toBeUndefined()
    }
    for (const [verb, delay] of [
      ['DEL', 3],
      ['ADD', 5],
    ] as const) {
      const { ended } = startCall(lab.socket, verb, pod('k1'))
      await new Promise((resolve) => setTimeout(resolve, delay))
      await lab.end('SIGKILL')
      await ended
      await lab.start()
      expect((await call('DEL', pod('k1'))).exitCode).toBe(0)
      expect(lab.namespaces.succeeds('k1', 'ip', 'link', 'show', 'eth0')).toBe(false)
    }
    expect((await call('ADD', pod('k1'))).exitCode).toBe(0)
    expect(pings('k1', '10.7.0.1')).toBe(true)
    expect((await call('GC', { ...pod('r1'), config: { 'cni.dev/valid-attachments': [] } })).exitCode).toBe(0)
    for (const name of ['r1', 'r2', 'k1']) expect(lab.namespaces.succeeds(name, 'ip', 'link', 'show', 'eth0')).toBe(false)
  })
})
