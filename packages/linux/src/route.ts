import type { LinkReference } from './link.js'
import type { NativeNetlink, NativeRouteSpec } from './native/binding.js'
import { callAsync } from './native/call.js'

/** What a route does with a packet. */
export type RouteKind =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'multicast'
  | 'anycast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'other'

/** One way out of a route. */
export interface RouteNextHop {
  /** Left out when the destination is on the link. */
  readonly gateway?: string
  readonly link?: LinkReference
  /** Share among several next hops, 1–256; 1 if left out. */
  readonly weight?: number
}

/** A route as the kernel has it. */
export interface Route {
  /** `address/length`. */
  readonly destination: string
  readonly kind: RouteKind
  /** 254 is the main table, 255 the local one. */
  readonly table: number
  /** Who set it (RTPROT_*): 2 kernel, 3 boot, 4 static, 186 BGP. */
  readonly protocol: number
  /** Smaller is better. */
  readonly metric: number
  /** Source address of packets that are not bound to one. */
  readonly preferredSource?: string
  readonly mtu?: number
  readonly nextHops: readonly RouteNextHop[]
}

/** A route to set or delete: one way out as `gateway` and `link`, several as `nextHops`. */
export interface RouteOptions {
  readonly kind?: 'unicast' | 'local' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'
  readonly gateway?: string
  readonly link?: LinkReference
  readonly nextHops?: readonly RouteNextHop[]
  /** Main table if left out. */
  readonly table?: number
  /** RTPROT_*, 0–255; static (4) if left out. */
  readonly protocol?: number
  readonly metric?: number
  readonly preferredSource?: string
  readonly mtu?: number
  /** The gateways are on the link, whatever its addresses say. */
  readonly onLink?: boolean
}

/** Narrows a lookup. */
export interface RouteLookupOptions {
  /** The packet's source address. */
  readonly source?: string
  /** The link it has to leave by. */
  readonly link?: LinkReference
  /** Firewall mark, for policy routing. */
  readonly mark?: number
}

/** Where the kernel sends a packet. */
export interface RouteLookup {
  /** `local` when the destination is this host. */
  readonly kind: RouteKind
  /** Index of the link that it leaves by. */
  readonly index: number
  /** Name of that link. */
  readonly link: string
  /** Left out when the destination is on the link. */
  readonly gateway?: string
  /** Source address of a packet that is not bound to one. */
  readonly source?: string
  /** Octets: the path MTU where one is known or configured, else the link's. */
  readonly mtu: number
  readonly table: number
}

/** Routes of one namespace. */
export class Routes {
  readonly #netlink: NativeNetlink

  /** @internal */
  constructor(netlink: NativeNetlink) {
    this.#netlink = netlink
  }

  /** Routes of one table, or of all, IPv4 before IPv6. */
  async list(options: { readonly table?: number } = {}): Promise<Route[]> {
    return (await callAsync(() => this.#netlink.routes(options.table))) as Route[]
  }

  /**
   * @param destination `address/length`; without a length it is a host's
   * @throws LinuxError `EEXIST` when there is one, `ENETUNREACH` when the gateway is on no link, `ENODEV` when there is no such link
   */
  add(destination: string, options: RouteOptions): Promise<void> {
    return callAsync(() => this.#netlink.addRoute(toNative(destination, options, false)))
  }

  /** Like `add`, and changes a route that is there already. */
  replace(destination: string, options: RouteOptions): Promise<void> {
    return callAsync(() => this.#netlink.addRoute(toNative(destination, options, true)))
  }

  /** @throws LinuxError `ESRCH` when there is no such route */
  delete(destination: string, options: RouteOptions = {}): Promise<void> {
    return callAsync(() => this.#netlink.deleteRoute(toNative(destination, options, false)))
  }

  /**
   * The kernel's own lookup: which way would a packet to `destination` go?
   *
   * @throws LinuxError `ENETUNREACH` or `EHOSTUNREACH` when there is no route, `EACCES` when one prohibits it
   */
  async lookup(destination: string, options: RouteLookupOptions = {}): Promise<RouteLookup> {
    const { source, link, mark } = options
    return (await callAsync(() => this.#netlink.lookupRoute(destination, source, link, mark))) as RouteLookup
  }
}

function toNative(destination: string, options: RouteOptions, replace: boolean): NativeRouteSpec {
  const { gateway, link, nextHops, ...rest } = options
  const single = { ...(gateway === undefined ? {} : { gateway }), ...(link === undefined ? {} : { link }) }
  const hops = nextHops ?? (gateway === undefined && link === undefined ? [] : [single])
  return { ...rest, destination, replace, nextHops: [...hops] }
}
