import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataplaneError } from '@heddle/core'
import { memoryDataplane } from '@heddle/dataplane-memory'
import { ManualClock } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseNode } from '../config/load.js'
import { createNode } from './create-node.js'
import type { NodeHandle } from './role-handle.js'

let folder: string
const nodes: NodeHandle[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-node-cni-'))
})
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
  await rm(folder, { recursive: true })
})

function documentWith(cni: object): ReturnType<typeof parseNode> {
  const text = JSON.stringify({
    node: { name: 'a', address: '192.0.2.1' },
    bgp: { as: 65000 },
    vrfs: [{ name: 'red', rd: '65000:1' }],
    dataplane: { kind: 'memory' },
    cni: { socket: join(folder, 'cni.sock'), store: join(folder, 'store'), ...cni },
  })
  return parseNode('node.yaml', text)
}

/** What the executable says to a node, and the answer's document. */
async function call(verb: string, id: string): Promise<{ ips?: { address: string }[]; code?: number }> {
  const variables = { CNI_COMMAND: verb, CNI_CONTAINERID: id, CNI_NETNS: `/run/netns/${id}`, CNI_IFNAME: 'eth0' }
  const environment = Object.entries(variables)
    .map(([key, value]) => `${key}=${value}\0`)
    .join('')
  const input = JSON.stringify({ cniVersion: '1.1.0', name: 'pods', type: 'heddle-cni', network: 'red' })
  const socket = connect(join(folder, 'cni.sock'))
  socket.write(`heddle-cni/1 ${environment.length} ${input.length}\n${environment}${input}`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return JSON.parse(answer.slice(answer.indexOf('\n') + 1) || '{}') as Awaited<ReturnType<typeof call>>
}

const pools = [
  { prefix: '10.1.0.0/24', block: { length: 28, indices: [2] } },
  { prefix: 'fd00::/64', first: 'fd00::100' },
]

describe('a node with a section cni', () => {
  it('serves a plugin, and has again what was attached when it is started again', async () => {
    nodes.push(await createNode(documentWith({ networks: [{ name: 'red', pools }], quarantine: 0, metrics: { port: 0 } })))
    expect((await call('ADD', 'c1')).ips?.map(({ address }) => address)).toEqual(['10.1.0.32/32', 'fd00::100/128'])
    expect(await nodes[0].show('endpoints')).toMatchObject([{ vrf: 'red', netns: '/run/netns/c1', addresses: ['10.1.0.32', 'fd00::100'] }])
    expect(nodes[0].metrics()).toMatch(/cni_request_seconds_count\{verb="ADD"\} 1\n/)
    expect(nodes[0].metrics()).toContain('cni_addresses{network="red",family="ipv4",state="used"} 1\n')
    await nodes.splice(0)[0].stop()
    nodes.push(await createNode(documentWith({ networks: [{ name: 'red', pools }], quarantine: 0 })))
    expect(await nodes[0].show('endpoints')).toMatchObject([{ netns: '/run/netns/c1', state: 'attached' }])
    expect((await call('ADD', 'c1')).code).toBe(101)
    expect(await call('DEL', 'c1')).toEqual({})
    expect(await nodes[0].show('endpoints')).toEqual([])
    await expect(nodes[0].reload(documentWith({ networks: [{ name: 'other', vrf: 'red' }] }))).rejects.toMatchObject({
      code: 'agent.needs-restart',
    })
  })

  // Pods that ran had no network, until somebody started them anew.
  it('gives again what was attached when its dataplane does, which refuses that at first', async () => {
    const document = documentWith({ networks: [{ name: 'red', pools }], quarantine: 0 })
    nodes.push(await createNode(document))
    expect((await call('ADD', 'c1')).code).toBeUndefined()
    await nodes.splice(0)[0].stop()
    const [clock, dataplane] = [new ManualClock(), memoryDataplane({ addresses: [IpAddress.parse('192.0.2.1')] })]
    const refusing = vi.spyOn(dataplane, 'attachPort').mockRejectedValueOnce(new DataplaneError('dataplane.device', 'no memory'))
    nodes.push(await createNode(document, { dataplane, clock }))
    expect(await nodes[0].show('endpoints')).toEqual([])
    await clock.run(1_000)
    expect(await nodes[0].show('endpoints')).toMatchObject([{ netns: '/run/netns/c1', state: 'attached' }])
    refusing.mockRestore()
    await dataplane.close()
    await nodes.splice(0)[0].stop()
    // One that ends while it still tries goes on with nothing.
    const other = memoryDataplane({ addresses: [IpAddress.parse('192.0.2.1')] })
    const asked = vi.spyOn(other, 'attachPort').mockRejectedValue(new DataplaneError('dataplane.device', 'no memory'))
    const ending = await createNode(document, { dataplane: other, clock })
    await ending.stop()
    expect(asked).toHaveBeenCalledTimes(1)
    expect(clock.pending).toEqual([])
  })

  it('tells the runtime when its dataplane is gone', async () => {
    const dataplane = memoryDataplane({ addresses: [IpAddress.parse('192.0.2.1')] })
    const found = [dataplane]
    const source = async (): Promise<typeof dataplane> => {
      const [one] = found.splice(0)
      if (one === undefined) throw new DataplaneError('dataplane.device', 'there is none')
      return one
    }
    nodes.push(await createNode(documentWith({ networks: [{ name: 'red', pools }] }), { dataplane: source }))
    expect(await call('STATUS', 'c1')).toEqual({})
    await dataplane.close()
    const reason = 'the dataplane is gone and not back yet: there is none (dataplane.device)'
    await expect.poll(() => call('STATUS', 'c1')).toMatchObject({ code: 51, msg: reason })
    expect((await call('ADD', 'c1')).code).toBe(100)
  })

  it('gives the pods of a network the link that it says, where the dataplane has that', async () => {
    const document = documentWith({ networks: [{ name: 'red', pools, link: 'ethernet' }] })
    const without = memoryDataplane({ addresses: [IpAddress.parse('192.0.2.1')], features: [] })
    await expect(createNode(document, { dataplane: without })).rejects.toMatchObject({
      code: 'endpoint.unsupported',
      message: expect.stringContaining('the network red of cni has link "ethernet", which the dataplane memory does not offer'),
    })
    await without.close()
    nodes.push(await createNode(document))
    await call('ADD', 'c1')
    expect(await nodes[0].show('endpoints')).toMatchObject([{ vrf: 'red', link: 'ethernet', state: 'attached' }])
  })

  it('refuses a network without a VRF, and a pool that contradicts itself', async () => {
    expect(() => documentWith({ networks: [{ name: 'blue' }] })).toThrow(/cni\.networks\[0\]\.vrf: .*"blue".*the name of a VRF: red/)
    expect(() => documentWith({ networks: [{ name: 'red', pools: [{ prefix: '10.0.0.1/24' }] }] })).toThrow(
      /cni\.networks\[0\]\.pools\[0\]\.prefix/,
    )
    const shared = [
      { name: 'red', namespaces: ['a', 'b'] },
      { name: 'more', vrf: 'red', namespaces: ['c', 'b'] },
    ]
    expect(() => documentWith({ networks: shared })).toThrow(/cni\.networks\[1\]\.namespaces\[1\]: .*"b".*not also that of red/)
    const twisted = documentWith({ networks: [{ name: 'red', pools: [{ prefix: '10.0.0.0/24', gateway: '10.0.1.1' }] }] })
    await expect(createNode(twisted)).rejects.toMatchObject({
      name: 'CniError',
      message: 'gateway 10.0.1.1 is not in the pool 10.0.0.0/24',
    })
  })
})
