import type { PortObject } from '@heddle/core'
import { decodePort } from '../layout/objects.js'
import type { Attempt } from './changes.js'
import type { ConfigView } from './config.js'
import type { KernelMaps } from './kernel-maps.js'
import { wordBytes } from '../layout/word.js'

/** MTU of no uplink: what a length field can say. */
const ANY_MTU = 65_535

/**
 * What programs are told that follows from the ports of the node itself, hosts of VRFs and uplinks: there are few, where endpoints are thousands, which
 * are looked at once, when tables of a dataplane before this one are taken over.
 */
export class NodePorts {
  readonly #maps: KernelMaps
  readonly #config: ConfigView
  readonly #ports = new Map<number, PortObject>()
  #isTold = false

  constructor(maps: KernelMaps, config: ConfigView) {
    this.#maps = maps
    this.#config = config
    for (const [id, value] of maps.numbered('ports')) this.set(decodePort(id, value))
  }

  set(port: PortObject): void {
    this.remove(port.id)
    if (port.kind === 'endpoint') return
    this.#ports.set(port.id, port)
    this.#isTold = false
  }

  remove(id: number): void {
    if (this.#ports.delete(id)) this.#isTold = false
  }

  /** Tells programs what has changed. */
  tell(attempt: Attempt): void {
    if (this.#isTold) return
    const hosts = new Map<number, number>()
    let uplinkMtu = ANY_MTU
    for (const [id, { kind, vrf, mtu }] of this.#ports) {
      if (kind === 'uplink') uplinkMtu = Math.min(uplinkMtu, mtu)
      // Of several, one: the largest id, so that the choice does not depend on an order.
      if (kind === 'host' && vrf !== undefined) hosts.set(vrf, Math.max(id, hosts.get(vrf) ?? 0))
    }
    const lost = Array.from(this.#maps.numbered('hosts'), ([vrf]) => vrf).filter((vrf) => !hosts.has(vrf))
    const told = [
      ...lost.map((vrf) => attempt('vrf', vrf, () => this.#maps.delete('hosts', vrf))),
      ...Array.from(hosts, ([vrf, port]) => attempt('port', port, () => this.#maps.set('hosts', vrf, wordBytes(port)))),
    ]
    this.#config.set('uplink_mtu', uplinkMtu)
    this.#isTold = !told.includes(false)
  }
}
