import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { ManualClock, memoryNetwork, recordingLogger, seededRandom, type MemoryHost, type MemoryNetwork } from '@heddle/io/testing'
import {
  Speaker,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  type LocalRoute,
  type NeighborConfig,
  type NeighborView,
  type RouteChange,
  type RouteView,
  type SpeakerConfig,
  type SpeakerOptions,
} from '../../src/index.js'

/** A speaker's configuration, with what it is given beside it. */
type LabConfig = Partial<SpeakerConfig> & { neighbors: NeighborConfig[] } & Pick<
    SpeakerOptions,
    'nextHops' | 'originValidator' | 'bfd' | 'routerDiscovery' | 'recorder'
  > &
  Partial<Pick<SpeakerOptions, 'transport'>>

/** Speakers on a network in memory, on one clock that the test moves. */
export class Lab {
  readonly clock = new ManualClock()
  readonly network: MemoryNetwork
  readonly logs = recordingLogger()
  readonly #hosts = new Map<string, MemoryHost>()
  readonly speakers: Speaker[] = []
  #seed = 1

  /** @param latency milliseconds one way */
  constructor(latency = 0) {
    this.network = memoryNetwork({ clock: this.clock, latency })
  }

  host(address: string): MemoryHost {
    let host = this.#hosts.get(address)
    if (host === undefined) this.#hosts.set(address, (host = this.network.host(address, address)))
    return host
  }

  /** A speaker at `address`, which is its router id too; it listens on port 179. */
  speaker(address: string, { nextHops, originValidator, bfd, routerDiscovery, transport, recorder, ...config }: LabConfig): Speaker {
    const speaker = new Speaker({
      clock: this.clock,
      random: seededRandom(this.#seed++),
      transport: transport ?? this.host(address).transport,
      logger: this.logs,
      ...(nextHops === undefined ? {} : { nextHops }),
      ...(bfd === undefined ? {} : { bfd }),
      ...(routerDiscovery === undefined ? {} : { routerDiscovery }),
      ...(recorder === undefined ? {} : { recorder }),
      ...(originValidator === undefined ? {} : { originValidator }),
      config: { as: 65000, routerId: address, holdTime: 9, listen: [{ address }], ...config },
    })
    this.speakers.push(speaker)
    return speaker
  }

  /** Lets time pass, in seconds. */
  async run(seconds: number): Promise<void> {
    await this.clock.run(seconds * 1000)
  }

  /** Time passes until the condition holds. */
  async until(condition: () => boolean, what: string, seconds = 60): Promise<void> {
    for (let waited = 0; waited < seconds * 10; waited++) {
      if (condition()) return
      await this.run(0.1)
    }
    if (!condition()) throw new TypeError(`never happened in ${seconds} s: ${what}`)
  }
}

/** A neighbor of the same AS with VPN families. */
export function internal(address: string, more: Partial<NeighborConfig> = {}): NeighborConfig {
  return { address, as: 65000, families: ['vpnv4-unicast', 'vpnv6-unicast'], connectRetry: 2, ...more }
}

export function vpn(prefix: string, options: { rd?: string; label?: number; rt?: string; nextHop?: string } = {}): LocalRoute {
  const { rd = '65000:1', label = 1000, rt = '65000:1', nextHop } = options
  const parsed = IpPrefix.parse(prefix)
  return {
    family: parsed.family === 4 ? VPNV4_UNICAST : VPNV6_UNICAST,
    nlri: { kind: 'vpn', labels: [label], rd: RouteDistinguisher.parse(rd), prefix: parsed },
    attributes: { extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse(rt) }] },
    ...(nextHop === undefined ? {} : { nextHop: IpAddress.parse(nextHop) }),
  }
}

export function neighbor(speaker: Speaker, address: string): NeighborView {
  const found = speaker.neighbors().find((view) => view.address === address)
  if (found === undefined) throw new TypeError(`${address} is not a neighbor`)
  return found
}

export function isUp(speaker: Speaker, address: string): boolean {
  return neighbor(speaker, address).state === 'established'
}

/** `RD PREFIX label L via NEXTHOP` of all valid VPN routes that a peer gave, sorted. */
export function vpnRoutes(speaker: Speaker, from?: string): string[] {
  const views = (['vpnv4-unicast', 'vpnv6-unicast'] as const).flatMap((family) => [
    ...speaker.routes({ family, ...(from === undefined ? {} : { neighbor: from }) }),
  ])
  return views
    .filter(({ peer, invalid }) => peer !== 'local' && invalid === undefined)
    .map(show)
    .sort()
}

export function show({ nlri, set }: RouteView): string {
  if (nlri.kind !== 'vpn') return nlri.kind
  return `${nlri.rd} ${nlri.prefix} label ${nlri.labels.join('/')} via ${set.nextHop?.address.toString() ?? '-'}`
}

/** Collects what a speaker's feed delivers, as a table by identity. */
export function follow(speaker: Speaker): { table: Map<string, RouteChange>; changes: RouteChange[] } {
  const table = new Map<string, RouteChange>()
  const changes: RouteChange[] = []
  void (async () => {
    for await (const batch of speaker.changes) {
      for (const change of batch) {
        const { family, nlri, peer, pathId } = change
        const name = nlri.kind === 'vpn' ? `${nlri.rd} ${nlri.prefix}` : JSON.stringify(nlri)
        const key = `${family.name} ${name} ${peer} ${pathId}`
        changes.push(change)
        if (change.kind === 'withdraw') table.delete(key)
        else table.set(key, change)
      }
    }
  })()
  return { table, changes }
}
