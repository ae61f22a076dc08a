import { silentLogger } from '@heddle/io'
import { expect, it } from 'vitest'
import type { NodeDocument } from '../config/document.js'
import { chooseDataplane, pinDirectoryBeside, pinDirectoryOf } from './dataplane-source.js'

// It had no clock, and so refused rate limits.
it('a node in memory offers rate limits', async () => {
  const document: NodeDocument = {
    node: { name: 'node', address: '192.0.2.1' },
    bgp: { as: 65_000, neighbors: [] },
    dataplane: { kind: 'memory' },
  }
  const { source } = await chooseDataplane(document, silentLogger)
  const dataplane = typeof source === 'function' ? await source() : source
  expect(dataplane.capabilities.features).toContain('rate-limit')
  await dataplane.close()
})

it('a node has its pins where it is told, and beside its control socket when it is told nothing', () => {
  const document: NodeDocument = { node: { name: 'node', address: '192.0.2.1' }, bgp: { as: 65_000 } }
  expect(pinDirectoryOf(document)).toBe('/run/heddle/node.state.bpf')
  expect(pinDirectoryOf({ ...document, socket: '/run/other.sock' })).toBe('/run/other.state.bpf')
  expect(pinDirectoryBeside('/run/other.sock')).toBe('/run/other.state.bpf')
  expect(pinDirectoryOf({ ...document, dataplane: { kind: 'ebpf', pinDirectory: '/sys/fs/bpf/heddle' } })).toBe('/sys/fs/bpf/heddle')
})

// Devices of neighbours were read as addresses.
it.each(['tun', 'ebpf'] as const)('a node with %s may have neighbours that are named by a device', async (kind) => {
  const document: NodeDocument = {
    node: { name: 'node', address: '127.0.0.1' },
    bgp: { as: 65_000, neighbors: ['%lo', 'fe80::2%lo', '127.0.0.2%lo', '%not-there'].map((address) => ({ address, as: 65_001 })) },
    dataplane: { kind, ...(kind === 'ebpf' && { uplink: 'lo' }) },
  }
  expect((await chooseDataplane(document, silentLogger)).underlayMtu).toBe(1_500)
  if (kind === 'ebpf')
    await expect(chooseDataplane({ ...document, dataplane: { kind } }, silentLogger)).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringContaining('no link but lo has the address 127.0.0.1: the key dataplane.uplink names one'),
    })
})
