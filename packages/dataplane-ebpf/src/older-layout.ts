import type { Logger } from '@heddle/io'
import type { Netlink } from '@heddle/linux'
import { join } from 'node:path'
import { hostNameOf } from './device/ports.js'
import { callAsync } from './native/call.js'
import type { NativeObject } from './native/binding.js'
import type { PreparedPins } from './pins.js'

export interface OlderOptions {
  readonly prepared: PreparedPins
  readonly object: NativeObject
  readonly netlink: Netlink
  readonly netns: string | undefined
  /** Index of the uplink. */
  readonly uplink: number
  readonly logger: Logger
}

/**
 * Ends what a dataplane of another layout has left, whose tables nobody can read any more: pins, with them programs by tcx and netkit, and filters of clsact on
 * devices of endpoints, which go on without a pin. The devices stay, for whoever asks for them. The filter of the uplink is replaced, or ended, with the
 * next program there.
 *
 * @returns names of the devices, at the router's end
 * @throws LinuxError
 */
export async function takeAwayOlder({ prepared, object, netlink, netns, uplink, logger }: OlderOptions): Promise<ReadonlySet<string>> {
  const { older, olderPorts, pins } = prepared
  if (older.length === 0) return new Set()
  prepared.takeAwayOlder()
  const ports = new Map(olderPorts.map((port) => [hostNameOf(uplink, port), port]))
  const namespace = netns === undefined ? {} : { namespace: netns }
  for (const { name, index, kind } of await netlink.links.list()) {
    const port = ports.get(name)
    if (port === undefined || kind !== 'veth') continue
    // A program without tables takes the place of the one that is there, and goes with the qdisc.
    const place = { program: 'egress', ifindex: index, usesTcx: false, pin: join(pins, `link-${port}`), ...namespace }
    const filter = await callAsync(() => object.attach(place))
    await callAsync(() => object.detach(filter))
  }
  logger.warn('Tables of another layout were taken away: nothing is forwarded until they are programmed anew', {
    found: older,
    remedy: 'drain a node before such a release',
  })
  return new Set(ports.keys())
}

/** Deletes what is left of such devices once those are gone that somebody has asked for, whose names are free then. @throws LinuxError */
export async function deleteUnclaimed(netlink: Netlink, names: ReadonlySet<string>): Promise<void> {
  if (names.size === 0) return
  for (const { name, index } of await netlink.links.list()) if (names.has(name)) await netlink.links.delete(index)
}
