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
