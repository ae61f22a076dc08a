import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress, IpPrefix } from '@heddle/wire'
import {
  IPV4_UNICAST,
  Speaker,
  type FamilyName,
  type LocalRoute,
  type NeighborConfig,
  type PathAttributes,
  type SpeakerConfig,
} from '../../src/index.js'

/** A daemon of someone else's that reflects between speakers of ours. */
export interface Reflector {
  readonly address: string
  readonly port: number
}

/** A speaker at a loopback address that connects to the reflector. */
export function speakAt(
  address: string,
  to: Reflector,
  families: readonly FamilyName[],
  neighbor: Partial<NeighborConfig> = {},
  config: Partial<SpeakerConfig> = {},
): Speaker {
  return new Speaker({
    clock: nodeClock,
    random: nodeRandom,
    transport: nodeTcpTransport(),
    config: {
      as: 65000,
      routerId: address,
      holdTime: 9,
      neighbors: [{ address: to.address, port: to.port, as: 65000, localAddress: address, families, connectRetry: 1, ...neighbor }],
      ...config,
    },
  })
}

/** A route of IPv4 unicast. */
export function unicast(prefix: string, nextHop: string, attributes: PathAttributes = {}): LocalRoute {
  return {
    family: IPV4_UNICAST,
    nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
    nextHop: IpAddress.parse(nextHop),
    attributes,
  }
}

/** Prefixes and next hops of IPv4 unicast that came from a neighbor, sorted. */
export function unicastFrom(speaker: Speaker, neighbor: string): string[] {
  return [...speaker.routes({ family: 'ipv4-unicast', neighbor })]
    .map(({ nlri, set }) => `${nlri.kind === 'unicast' ? nlri.prefix : ''} via ${set.nextHop?.address}`)
    .sort()
}

/** Communities that need more octets than a message without the extension has. */
export const MANY_COMMUNITIES: readonly number[] = Array.from({ length: 1500 }, (_, at) => ((65000 << 16) >>> 0) + at)
