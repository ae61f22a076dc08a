import { DataplaneError, type Encapsulation } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { LinuxError, RawSocket, UdpBatchSocket, type DatagramOptions } from '@heddle/linux'
import { ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST, MPLS_UDP_LEGACY_PORT, MPLS_UDP_PORT, VXLAN_PORT } from '@heddle/mpls'
import { IP_PROTOCOL_GRE, type IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'

/** Octets of a socket's queue; the kernel caps it. */
const QUEUE = 4 << 20
const OUTER_TTL = 64

/** Where each encapsulation over UDP is sent to. */
export const UDP_PORTS = { 'mpls-udp': MPLS_UDP_PORT, 'mpls-udp-joint': MPLS_UDP_PORT, vxlan: VXLAN_PORT } as const

export interface UnderlayOptions {
  readonly local: IpAddress
  /** Path of the namespace the sockets are in; the process's own when left out. */
  readonly netns?: string | undefined
  /** Encapsulations to offer if they can be had. */
  readonly encapsulations: readonly Encapsulation[]
  /** Sockets to send from, each with a source port of its own: a power of two. */
  readonly senders: number
  /** Sockets that arrive from another forwarder, in place of those that would be opened to receive. */
  readonly adopted?: AdoptedReceivers | undefined
  readonly logger: Logger
}

/** Descriptors of the sockets that one address receives by; those that could not be had are undefined. */
export interface AdoptedReceivers {
  readonly mplsUdp: number
  readonly legacy: number | undefined
  readonly vxlan: number | undefined
  readonly gre: number | undefined
}

/** A socket that packets arrive at. */
export interface Receiver {
  readonly encapsulation: Encapsulation
  readonly socket: UdpBatchSocket | RawSocket
}

/** Sockets that send whatever the kernel believes of a path, as long as the link takes it. */
export interface HeedlessSenders {
  readonly udp: UdpBatchSocket
  /** Left out where GRE cannot be had. */
  readonly gre: RawSocket | undefined
}

/** Sockets that packets leave an underlay address by. The kernel's routes decide where what they send goes. */
export interface Senders {
  readonly local: IpAddress
  /** For what is larger than is believed of its path. */
  readonly heedless: HeedlessSenders
  /** Chosen by a packet's source port, modulo their number. */
  readonly udp: readonly UdpBatchSocket[]
  /** Sends and receives GRE; left out where it cannot be had. */
  readonly gre: RawSocket | undefined
}

/** The sockets of one underlay address. */
export interface Underlay extends Senders {
  readonly receivers: readonly Receiver[]
}

/**
 * Opens the sockets of an underlay address. MPLS over UDP must be possible; anything else that cannot be had is left out and logged.
 *
 * @throws DataplaneError `dataplane.device` when the address or port cannot be had, `dataplane.permission`
 */
export async function openUnderlay(options: UnderlayOptions): Promise<Underlay> {
  const { local, encapsulations, adopted, logger } = options
  const opened: (UdpBatchSocket | RawSocket)[] = []
  const keep = <T extends UdpBatchSocket | RawSocket>(socket: T): T => {
    opened.push(socket)
    return socket
  }
  const optional = async <T extends UdpBatchSocket | RawSocket>(what: string, open: Promise<T>): Promise<T | undefined> => {
    try {
      return keep(await open)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      logger.warn('An encapsulation is not offered', { encapsulation: what, local: local.toString(), reason: error.message })
      return undefined
    }
  }
  try {
    if (adopted !== undefined) {
      const { receivers, gre } = adopt(local, adopted)
      for (const { socket } of receivers) keep(socket)
      return { local, receivers, gre, udp: await sendersOf(options, keep), heedless: await heedlessOf(options, gre !== undefined, keep) }
    }
    const receivers: Receiver[] = [{ encapsulation: 'mpls-udp', socket: keep(await receiver(options, MPLS_UDP_PORT)) }]
    // The port of MPLS over UDP before it had one of its own: listened to, never sent to.
    const legacy = await optional('mpls-udp on its former port', receiver(options, MPLS_UDP_LEGACY_PORT))
    if (legacy !== undefined) receivers.push({ encapsulation: 'mpls-udp', socket: legacy })
    const vxlan = encapsulations.includes('vxlan') ? await optional('vxlan', receiver(options, VXLAN_PORT)) : undefined
    if (vxlan !== undefined) receivers.push({ encapsulation: 'vxlan', socket: vxlan })
    const gre = encapsulations.includes('mpls-gre') ? await optional('mpls-gre', greSocket(options)) : undefined
    if (gre !== undefined) receivers.push({ encapsulation: 'mpls-gre', socket: gre })
    return { local, receivers, udp: await sendersOf(options, keep), gre, heedless: await heedlessOf(options, gre !== undefined, keep) }
  } catch (error) {
    for (const socket of opened) socket.close()
    if (!(error instanceof LinuxError)) throw error
    const code = error.code === 'EPERM' || error.code === 'EACCES' ? 'dataplane.permission' : 'dataplane.device'
    throw new DataplaneError(code, `the underlay sockets of ${local} cannot be opened: ${error.message}`, { cause: error })
  }
}

async function sendersOf(options: UnderlayOptions, keep: (socket: UdpBatchSocket) => UdpBatchSocket): Promise<UdpBatchSocket[]> {
  const udp: UdpBatchSocket[] = []
  while (udp.length < options.senders) udp.push(keep(await sender(options)))
  return udp
}

async function heedlessOf(
  options: UnderlayOptions,
  hasGre: boolean,
  keep: <T extends UdpBatchSocket | RawSocket>(socket: T) => T,
): Promise<HeedlessSenders> {
  // Nobody reads what this one gets of what arrives: as little as can be.
  const gre = hasGre ? keep(await greSocket(options, { pathMtu: 'probe', receiveBuffer: 0 })) : undefined
  return { udp: keep(await sender(options, 'probe')), gre }
}

function adopt({ family }: IpAddress, { mplsUdp, legacy, vxlan, gre }: AdoptedReceivers): Pick<Underlay, 'receivers' | 'gre'> {
  const udp = (encapsulation: Encapsulation, fd: number | undefined): Receiver[] =>
    fd === undefined ? [] : [{ encapsulation, socket: UdpBatchSocket.fromFd(fd) }]
  const raw = gre === undefined ? undefined : RawSocket.fromFd(gre, family, IP_PROTOCOL_GRE)
  const ofGre: Receiver[] = raw === undefined ? [] : [{ encapsulation: 'mpls-gre', socket: raw }]
  return { receivers: [...udp('mpls-udp', mplsUdp), ...udp('mpls-udp', legacy), ...udp('vxlan', vxlan), ...ofGre], gre: raw }
}

/** What an address receives by, to be handed to another forwarder. */
export function receiversOf({ receivers, gre }: Underlay): AdoptedReceivers {
  const [mplsUdp, legacy] = receivers.filter(({ encapsulation }) => encapsulation === 'mpls-udp')
  const vxlan = receivers.find(({ encapsulation }) => encapsulation === 'vxlan')
  return { mplsUdp: mplsUdp.socket.fd, legacy: legacy?.socket.fd, vxlan: vxlan?.socket.fd, gre: gre?.fd }
}

/** Closes what `openUnderlay` opened. */
export function closeUnderlay({ receivers, udp, heedless }: Underlay): void {
  for (const { socket } of receivers) socket.close()
  for (const socket of udp) socket.close()
  heedless.udp.close()
  heedless.gre?.close()
}

function common({ netns }: UnderlayOptions): DatagramOptions {
  // DF: tunnels are not to be cut (RFC 7510 §4); what does not fit is answered by ICMP towards the endpoint.
  return { ...(netns === undefined ? {} : { namespace: netns }), pathMtu: 'discover', ttl: OUTER_TTL, sendBuffer: QUEUE }
}

function receiver(options: UnderlayOptions, port: number): Promise<UdpBatchSocket> {
  const { local } = options
  return UdpBatchSocket.open({
    ...common(options),
    bind: { address: local.toString(), port },
    receiveBuffer: QUEUE,
    gro: true,
    receiveTos: true,
    zeroChecksumRx: local.family === 6,
  })
}

/** A socket at a free port of the entropy range. */
async function sender(options: UnderlayOptions, pathMtu: DatagramOptions['pathMtu'] = 'discover'): Promise<UdpBatchSocket> {
  for (let attempt = 0; ; attempt++) {
    try {
      const port = randomInt(ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST + 1)
      return await UdpBatchSocket.open({ ...common(options), pathMtu, bind: { address: options.local.toString(), port }, gso: true })
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EADDRINUSE' || attempt > 32) throw error
    }
  }
}

function greSocket(options: UnderlayOptions, others: DatagramOptions = {}): Promise<RawSocket> {
  const { local } = options
  return RawSocket.open({
    ...common(options),
    family: local.family,
    protocol: IP_PROTOCOL_GRE,
    bind: local.toString(),
    receiveBuffer: QUEUE,
    receiveTos: true,
    ...others,
  })
}
