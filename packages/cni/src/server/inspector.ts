/** A device as it is inside a namespace. */
export interface SeenInterface {
  readonly up: boolean
  /** Octets. */
  readonly mtu: number
  readonly mac?: string
  /** Addresses with the length of their prefix, such as `10.1.0.5/32`. */
  readonly addresses: readonly string[]
}

/** A route as it is inside a namespace. */
export interface SeenRoute {
  /** A prefix. */
  readonly dst: string
  readonly gateway?: string
}

/** What a container really has; asked before a device is made, and by CHECK. */
export interface NamespaceInspector {
  /** Whether the path leads to the namespace in which this process is; false where it leads nowhere. */
  isOwn(netns: string): Promise<boolean>
  /** Whether there is a namespace at the path. */
  exists(netns: string): Promise<boolean>
  /** Whether the namespace has a device of this name; false where there is no namespace. */
  has(netns: string, ifname: string): Promise<boolean>
  /** The device of this name; `undefined` when there is none, or no namespace. */
  look(netns: string, ifname: string): Promise<SeenInterface | undefined>
  /** The main table of a namespace. */
  routes(netns: string): Promise<readonly SeenRoute[]>
}
