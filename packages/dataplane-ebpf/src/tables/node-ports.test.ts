import type { PortObject } from '@heddle/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { encodePort } from '../layout/objects.js'
import { orThrow } from './changes.js'
import type { ConfigView } from './config.js'
import type { KernelMaps } from './kernel-maps.js'
import { NodePorts } from './node-ports.js'

const port = (id: number, kind: PortObject['kind'], more: Partial<PortObject> = {}): PortObject => ({
  id,
  kind,
  allowedSources: [],
  gateways: [],
  mtu: 1500,
  ...more,
})

/** Maps and configuration that are only remembered, with how often each map was read. */
class FakeMaps {
  readonly tables = new Map<string, Map<number, Uint8Array>>()
  readonly reads: string[] = []
  readonly told: [string, number][] = []
  numbered(map: string): Iterable<readonly [number, Uint8Array]> {
    this.reads.push(map)
    return [...(this.tables.get(map) ?? [])]
  }
  set(map: string, key: number, value: Uint8Array | number = 0): void {
    if (map === 'uplink_mtu') this.told.push([map, key])
    else this.tables.set(map, (this.tables.get(map) ?? new Map<number, Uint8Array>()).set(key, value as Uint8Array))
  }
  delete(map: string, key: number): void {
    this.tables.get(map)?.delete(key)
  }
}

let maps: FakeMaps
const open = (): NodePorts => new NodePorts(maps as unknown as KernelMaps, maps as unknown as ConfigView)
const hosts = (): Record<number, number> => Object.fromEntries([...(maps.tables.get('hosts') ?? [])].map(([vrf, [id]]) => [vrf, id]))
beforeEach(() => {
  maps = new FakeMaps()
})

describe('what programs are told of ports of the node', () => {
  it('is the host of each VRF and the least MTU of uplinks, as they come, change and go', () => {
    const ports = open()
    ports.tell(orThrow)
    expect([maps.told.at(-1), hosts()]).toEqual([['uplink_mtu', 65_535], {}])
    for (const one of [
      port(1, 'uplink', { mtu: 9000 }),
      port(2, 'uplink', { mtu: 1500 }),
      port(3, 'host', { vrf: 7 }),
      port(4, 'host', { vrf: 7 }),
    ])
      ports.set(one)
    ports.tell(orThrow)
    expect([maps.told.at(-1), hosts()]).toEqual([['uplink_mtu', 1500], { 7: 4 }])
    ports.set(port(4, 'endpoint', { vrf: 7 }))
    ports.remove(2)
    ports.tell(orThrow)
    expect([maps.told.at(-1), hosts()]).toEqual([['uplink_mtu', 9000], { 7: 3 }])
    ports.remove(3)
    ports.tell(orThrow)
    expect(hosts()).toEqual({})
  })

  it('is read from the kernel once, and endpoints that come and go are not looked at', () => {
    maps.set('ports', 1, encodePort(port(1, 'uplink', { mtu: 1400 })))
    maps.set('ports', 2, encodePort(port(2, 'endpoint', { vrf: 7 })))
    const ports = open()
    ports.tell(orThrow)
    expect(maps.told).toEqual([['uplink_mtu', 1400]])
    for (let id = 10; id < 20; id++) {
      ports.set(port(id, 'endpoint', { vrf: 7 }))
      ports.tell(orThrow)
      ports.remove(id)
      ports.tell(orThrow)
    }
    expect([maps.told.length, maps.reads]).toEqual([1, ['ports', 'hosts']])
  })
})
