// Live packets over the control socket: a node in this process, its dataplane in memory.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryDataplane } from '@heddle/dataplane-memory'
import { probePacket } from '@heddle/forwarding'
import { IpAddress } from '@heddle/wire'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseNode } from '../config/load.js'
import { ControlClient } from '../control/client.js'
import { serveControl, type ControlServer } from '../control/server.js'
import { createNode } from '../node/create-node.js'
import { handlerFor } from '../node/handler.js'
import type { NodeHandle } from '../node/role-handle.js'
import type { CaptureRow, TraceRow } from './observe-stream.js'
import { summaryOf } from './packet-summary.js'

const [A, B] = ['10.1.0.1', '10.1.0.2'].map((text) => IpAddress.parse(text))
let folder: string
let node: NodeHandle
let control: ControlServer
let client: ControlClient
let dataplane: ReturnType<typeof memoryDataplane>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-observe-'))
  dataplane = memoryDataplane({ addresses: [IpAddress.parse('192.0.2.1')] })
  const endpoint = (address: IpAddress, index: number) => ({
    vrf: 'red',
    netns: `/run/netns/${index}`,
    ifname: 'eth0',
    addresses: [String(address)],
  })
  const document = {
    node: { name: 'a', address: '192.0.2.1' },
    bgp: { as: 65000 },
    vrfs: [{ name: 'red', rd: '65000:1' }],
    endpoints: [A, B].map(endpoint),
    dataplane: { kind: 'memory' },
  }
  node = await createNode(parseNode('node.yaml', JSON.stringify(document)), { dataplane })
  const controls = { version: '1', reload: async () => [], stop: () => undefined }
  control = await serveControl(join(folder, 'a.sock'), handlerFor(Promise.resolve(node), controls))
  client = await ControlClient.connect(control.path)
})
afterEach(async () => {
  await client.close()
  await control.close()
  await node.stop()
  await rm(folder, { recursive: true })
})

/** Sends from A until a row comes of it. */
async function firstRow<Row>(method: string, params: object, destination = B): Promise<Row> {
  const { devices } = await dataplane.dump()
  const port = devices.find(({ addresses }) => addresses[0]?.equals(A))?.port ?? -1
  const packet = probePacket({ source: A, destination, destinationPort: 80 })
  const sending = setInterval(() => dataplane.endpoint(port).send(packet), 5)
  try {
    for await (const [row] of client.stream(method, params)) return row as Row
  } finally {
    clearInterval(sending)
  }
  throw new TypeError('the stream ended without a row')
}

async function holds(what: 'mirrors' | 'traces'): Promise<number> {
  return (await dataplane.dump())[what]?.length ?? 0
}

it('tells of a packet that fits, with its steps, until the client goes away', async () => {
  const row = await firstRow<TraceRow>('trace', { vrf: 'red', hosts: ['10.1.0.0/24', '10.1.0.2'], protocol: 17, port: 80 })
  expect(row).toMatchObject({ from: 'eth0 of /run/netns/0', encapsulation: null, outcome: 'deliver', reason: null, lost: 0 })
  expect(row.steps.at(-1)).toMatchObject({ step: 'deliver' })
  expect(summaryOf(Uint8Array.from(Buffer.from(row.hex, 'hex')), null)).toBe('UDP 10.1.0.1 port 33434 → 10.1.0.2 port 80')
  await expect.poll(async () => holds('traces')).toBe(0)
})

it('tells why a packet is dropped', async () => {
  const row = await firstRow<TraceRow>('trace', { dropped: true }, IpAddress.parse('10.9.0.1'))
  expect(row).toMatchObject({ outcome: 'drop', reason: 'no-route' })
})

it('copies the packets of an endpoint, cut where that is asked', async () => {
  const row = await firstRow<CaptureRow>('capture', { address: '10.1.0.2', direction: 'ingress', snapLength: 20 })
  expect(row).toMatchObject({ direction: 'ingress', length: 28, lost: 0 })
  expect(row.hex).toHaveLength(40)
  await expect.poll(async () => holds('mirrors')).toBe(0)
})

it.each([
  ['capture', { address: '10.1.0.3' }, 'no endpoint has the address 10.1.0.3'],
  ['capture', { address: '10.1.0.1', snapLength: 0 }, 'snapLength: found 0'],
  ['trace', { vrf: 'blue' }, 'there is no vrf blue'],
  ['trace', { hosts: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] }, 'hosts: found'],
  ['trace', { port: 65_536 }, 'port: found 65536'],
])('refuses %s of %o', async (method, params, message) => {
  await expect(client.stream(method, params).next()).rejects.toThrow(message)
  expect([await holds('mirrors'), await holds('traces')]).toEqual([0, 0])
})
