import type { DeviceRequest } from '@heddle/core'
import { NetworkNamespace, type Link } from '@heddle/linux'
import { MacAddress } from '@heddle/wire'
import { View } from '../layout/struct.js'
import { LINK } from '../layout/structs/objects.js'
import { wordBytes } from '../layout/word.js'
import { isSameBytes, type KernelMaps } from '../tables/kernel-maps.js'
import { namespaceOf, type DevicePair } from './device-pair.js'
import { encodeRequest } from './device-request.js'

export interface WrittenDevicesOptions {
  readonly maps: KernelMaps
  /** Path of the router's namespace. */
  readonly netns: string | undefined
  /** Index of the uplink, which makes the names of this dataplane's devices its own. */
  readonly uplink: number
  /** Index of the uplink that tables which were taken over were of, and their devices are named by; 0 when there were none. */
  readonly uplinkBefore: number
}

type LinkView = View<Parameters<(typeof LINK)['offsetOf']>[0]>

/** What maps say of the devices of ports: to programs, and to the dataplane that comes after this one. */
export class WrittenDevices {
  readonly #options: WrittenDevicesOptions

  constructor(options: WrittenDevicesOptions) {
    this.#options = options
  }

  *all(): Generator<readonly [port: number, device: LinkView, request: Uint8Array | undefined]> {
    const { maps } = this.#options
    for (const [port, value] of maps.numbered('links')) yield [port, new View(LINK, value), maps.get('requests', port)]
  }

  /** Whether a link is the router's end of a port's device. */
  isOf(port: number, link: Link): boolean {
    const written = this.#get(port)
    const { uplink, uplinkBefore } = this.#options
    const names = [uplink, uplinkBefore].flatMap((index) => hostNamesOf(index, port))
    return written !== undefined && isDevice(link, names, written)
  }

  /** @throws LinuxError */
  write(port: number, { host, peer }: DevicePair, request: DeviceRequest, resolves: boolean): void {
    const { maps, netns } = this.#options
    const isLocal = namespaceOf(request) === NetworkNamespace.identity(netns)
    const view = new View(LINK).set('ifindex', host.index).set('peer_ifindex', peer.index).set('peer_mtu', peer.mtu)
    view.set('is_local', isLocal ? 1 : 0).set('resolves', resolves ? 1 : 0)
    view.octets('mac').set(macBytes(host.mac))
    view.octets('peer_mac').set(macBytes(peer.mac))
    view.octets('endpoint_mac').set(this.#heard(port, peer.index) ?? macBytes(peer.mac))
    maps.set('requests', port, encodeRequest(request))
    maps.set('links', port, view.bytes)
    maps.set('devices', host.index, wordBytes(port))
  }

  /** Where the endpoint behind a device was last heard from. */
  #heard(port: number, peerIndex: number): Uint8Array | undefined {
    const view = this.#get(port)
    return view?.get('peer_ifindex') === peerIndex ? view.octets('endpoint_mac') : undefined
  }

  /**
   * Writes anew of a device that was taken over: its index, as whoever wrote it may have ended before that; and its MAC address, by which alone a device that came
   * with another uplink is known once that is not the one before any more.
   *
   * @throws LinuxError
   */
  writeAgain(port: number, { index, mac }: Link): void {
    const { maps } = this.#options
    maps.set('devices', index, wordBytes(port))
    const view = this.#get(port)
    const octets = macBytes(mac)
    if (view === undefined || isSameBytes(octets, view.octets('mac').subarray(0, 6))) return
    view.octets('mac').set(octets)
    maps.set('links', port, view.bytes)
  }

  /** Writes whether a port's endpoint looks for its neighbours. @throws LinuxError */
  writeResolving(port: number, resolves: boolean): void {
    // As it is now: programs write there where the endpoint was heard.
    const view = this.#get(port)
    if (view !== undefined) this.#options.maps.set('links', port, view.set('resolves', resolves ? 1 : 0).bytes)
  }

  /** @throws LinuxError */
  forget(port: number, hostIndex: number): void {
    const { maps } = this.#options
    maps.delete('devices', hostIndex)
    maps.delete('links', port)
    maps.delete('requests', port)
  }

  #get(port: number): LinkView | undefined {
    const value = this.#options.maps.get('links', port)
    return value && new View(LINK, value)
  }
}

/** What the router's end of a port's device is called, and what earlier releases called it. @param uplink index of the uplink */
export function hostNamesOf(uplink: number, port: number): readonly [name: string, former: string] {
  // No number has a hyphen in it, so that no two uplinks share a name. They did: `p` is a digit as well.
  const nameWith = (between: string): string => `hd${uplink.toString(36)}${between}${port.toString(36)}`
  return [nameWith('-'), nameWith('p')]
}

/**
 * Whether a link is the end that was written down: numbers of links are given again, in a namespace that was made anew for instance. By its name or its MAC
 * address: an administrator may have changed the one, and a daemon of the host the other. The name of any other uplink's port is another dataplane's as a rule.
 *
 * @param names what the end is called that this dataplane makes, or the one whose tables it has taken over
 */
export function isDevice({ kind, name, mac, peer }: Link, names: readonly string[], written: View<'mac' | 'peer_ifindex'>): boolean {
  if ((kind !== 'veth' && kind !== 'netkit') || peer !== written.get('peer_ifindex')) return false
  return names.includes(name) || isSameBytes(macBytes(mac), written.octets('mac').subarray(0, 6))
}

function macBytes(mac: string | undefined): Uint8Array {
  return mac === undefined ? new Uint8Array(6) : MacAddress.parse(mac).toBytes()
}
