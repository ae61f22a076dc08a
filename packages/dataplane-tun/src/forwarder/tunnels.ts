import { DataplaneError, type Encapsulation } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { LinuxError, Netlink } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { lookUp } from '../underlay-mtu.js'
import { closeUnderlay, openUnderlay, receiversOf, type AdoptedReceivers, type Receiver, type Senders, type Underlay } from './underlay.js'

/** How often the underlay's links are looked at, milliseconds. */
const LOOK_INTERVAL = 2000

/** How long a path MTU that the network told is believed, milliseconds: as long as Linux does (net.ipv4.route.mtu_expires). */
const PATH_MTU_LIFETIME = 600_000

export interface TunnelsOptions {
  readonly addresses: readonly IpAddress[]
  readonly underlayNetns?: string | undefined
  readonly entropyPorts: number
  /** Of each address, from another forwarder. */
  readonly adopted?: readonly AdoptedReceivers[] | undefined
  readonly logger: Logger
}

/** What is known of one underlay address. */
interface Local {
  readonly address: IpAddress
  /** MTU of the link that has the address. */
  linkMtu: number
}

/** What is known of the path to a tunnel's remote end. */
interface Path {
  readonly local: IpAddress
  readonly remote: IpAddress
  readonly mtu: number
  /** Until when it is believed; see `performance.now`. */
  readonly until: number
}

/** Is told what the underlay takes from an address now; `remote`: on the path to it. */
export type MtuChanged = (local: IpAddress, mtu: number, remote?: IpAddress) => void

/** The underlay's side of the forwarder: the sockets of all local addresses, and the largest packet they take. */
export class Tunnels {
  readonly encapsulations: readonly Encapsulation[]
  readonly receivers: readonly Receiver[]
  readonly #underlays: readonly Underlay[]
  readonly #netlink: Netlink
  readonly #logger: Logger
  readonly #locals: readonly Local[]
  /** By the text of their remote ends. */
  readonly #paths = new Map<string, Path>()
  #changed: MtuChanged = () => undefined
  #timer: NodeJS.Timeout | undefined
  readonly #asked = new Set<string>()

  /** @internal */
  constructor(underlays: readonly Underlay[], linkMtus: readonly number[], netlink: Netlink, logger: Logger) {
    this.#underlays = underlays
    this.#locals = underlays.map(({ local }, index) => ({ address: local, linkMtu: linkMtus[index] }))
    this.#netlink = netlink
    this.#logger = logger
    this.receivers = underlays.flatMap(({ receivers }) => receivers)
    // Only what every address can carry is promised.
    const common = [...new Set(this.receivers.map(({ encapsulation }) => encapsulation))].filter((encapsulation) =>
      underlays.every(({ receivers }) => receivers.some((receiver) => receiver.encapsulation === encapsulation)),
    )
    // Joint labels go through the sockets of MPLS over UDP.
    this.encapsulations = common.includes('mpls-udp') ? [...common, 'mpls-udp-joint'] : common
  }

  /** Largest packet that every underlay address can send, outer headers included; paths may take less. */
  get mtu(): number {
    return Math.min(...this.#locals.map(({ linkMtu }) => linkMtu))
  }

  /** What the path to a remote end takes; undefined as long as it is not known to take less than the links. */
  pathMtu(remote: IpAddress): number | undefined {
    return this.#paths.get(remote.toString())?.mtu
  }

  /** Sockets to send by, one set a local address. */
  get senders(): readonly Senders[] {
    return this.#underlays
  }

  /** What each address receives by, to be handed to another forwarder. */
  get handover(): readonly AdoptedReceivers[] {
    return this.#underlays.map(receiversOf)
  }

  /** Begins to watch the links, and what is learnt of paths. */
  watch(changed: MtuChanged): void {
    this.#changed = changed
    this.#timer = setInterval(() => void this.#look(), LOOK_INTERVAL).unref()
  }

  close(): void {
    clearInterval(this.#timer)
    for (const underlay of this.#underlays) closeUnderlay(underlay)
    this.#netlink.close()
  }

  /** The kernel found a packet too large: asks it for the path MTU. */
  async learn(address: IpAddress, family: 4 | 6, remote: Uint32Array): Promise<void> {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = remote
    const far = family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
    const key = far.toString()
    const local = this.#locals.find((one) => one.address.equals(address))
    if (local === undefined || this.#asked.has(key)) return
    this.#asked.add(key)
    try {
      const mtu = await lookUp(this.#netlink, address, far)
      const before = this.#paths.get(key)
      if (mtu >= (before?.mtu ?? local.linkMtu)) return
      this.#paths.set(key, { local: address, remote: far, mtu, until: performance.now() + PATH_MTU_LIFETIME })
      this.#changed(address, mtu, far)
    } catch (error) {
      if (!(error instanceof LinuxError) && !(error instanceof DataplaneError)) throw error
      this.#logger.debug('A path MTU cannot be had', { remote: key, reason: error.message })
    } finally {
      this.#asked.delete(key)
    }
  }

  async #look(): Promise<void> {
    this.#forgetPaths()
    for (const local of this.#locals) {
      try {
        const mtu = await lookUp(this.#netlink, local.address)
        if (mtu === local.linkMtu) continue
        local.linkMtu = mtu
        this.#changed(local.address, mtu)
      } catch (error) {
        if (!(error instanceof LinuxError) && !(error instanceof DataplaneError)) throw error
        this.#logger.debug('The link of an underlay address cannot be seen', {
          local: local.address.toString(),
          reason: error.message,
        })
      }
    }
  }

  /** What was told long ago may have become better: the next packet that is too large finds out. */
  #forgetPaths(): void {
    const now = performance.now()
    for (const [key, { local, remote, until }] of this.#paths) {
      if (until > now) continue
      this.#paths.delete(key)
      this.#changed(local, this.#locals.find(({ address }) => address.equals(local))?.linkMtu ?? this.mtu, remote)
    }
  }
}

/** Opens the sockets of every address. @throws DataplaneError as `openUnderlay`; LinuxError when the namespace cannot be entered */
export async function openTunnels({ addresses, underlayNetns, entropyPorts, adopted, logger }: TunnelsOptions): Promise<Tunnels> {
  const underlays: Underlay[] = []
  const netlink = await Netlink.open(underlayNetns)
  try {
    const mtus: number[] = []
    for (const [index, local] of addresses.entries()) {
      mtus.push(await lookUp(netlink, local))
      const encapsulations: Encapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan']
      const common = { local, netns: underlayNetns, encapsulations, senders: entropyPorts, logger }
      underlays.push(await openUnderlay({ ...common, adopted: adopted?.[index] }))
    }
    return new Tunnels(underlays, mtus, netlink, logger)
  } catch (error) {
    for (const underlay of underlays) closeUnderlay(underlay)
    netlink.close()
    throw error
  }
}
