import type { Logger } from '@heddle/io'
import type { Netlink } from '@heddle/linux'
import { join } from 'node:path'
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
 * @throws LinuxError
 */
export async function takeAwayOlder({ prepared, object, netlink, netns, uplink, logger }: OlderOptions): Promise<void> {
  const { older, pins } = prepared
  if (older.length === 0) return
  prepared.takeAwayOlder()
  const name = new RegExp(`^hd${uplink.toString(36)}p([0-9a-z]+)$`)
  for (const { name: device, index, kind } of await netlink.links.list()) {
    const [, port] = name.exec(device) ?? []
    if (port === undefined || kind !== 'veth') continue
    const namespace = netns === undefined ? {} : { namespace: netns }
    const pin = join(pins, `link-${Number.parseInt(port, 36)}`)
    // A program without tables takes the place of the one that is there, and goes with the qdisc.
    const filter = await callAsync(() => object.attach({ program: 'egress', ifindex: index, usesTcx: false, pin, ...namespace }))
    await callAsync(() => object.detach(filter))
  }
  logger.warn('Tables of another layout were taken away: nothing is forwarded until they are programmed anew', {
    found: older,
    remedy: 'drain a node before such a release',
  })
}
