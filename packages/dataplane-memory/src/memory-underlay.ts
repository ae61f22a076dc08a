import type { IpAddress } from '@heddle/wire'
import type { Random } from '@heddle/io'

/** A frame on the underlay. */
export interface UnderlayFrame {
  /** What the frame carries, as its EtherType would say: an IP packet, or a label stack (0x8847). */
  readonly payload: 'ip' | 'mpls'
  /** Underlay addresses; for `mpls` those of the two neighbours. */
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly bytes: Uint8Array
}

/** What became of a frame. */
export type FrameFate = 'delivered' | 'lost' | 'cut' | 'too-big' | 'unreachable'

/** Sees every frame that was handed to the underlay, and its fate. */
export type UnderlayObserver = (frame: UnderlayFrame, fate: FrameFate) => void

/** Properties of an underlay. */
export interface MemoryUnderlayOptions {
  /** Largest IP packet or label stack with payload, octets; 1,500 by default. */
  readonly mtu?: number
  /** Needed for `loss`. */
  readonly random?: Random
}

/**
 * A network that joins memory dataplanes: it delivers whole underlay packets by their destination address and knows nothing of what they carry.
 * Frames are delivered in the order they were sent, before the `transmit` that began returns.
 */
export interface MemoryUnderlay {
  readonly mtu: number
  /** Share of frames that get lost, 0–1. */
  loss: number
  /** Connects a receiver to an address; the returned function disconnects it. */
  attach(address: IpAddress, receive: (frame: UnderlayFrame) => void): () => void
  transmit(frame: UnderlayFrame): void
  /** Cuts the network between two addresses, both ways; the returned function heals it. */
  cut(a: IpAddress, b: IpAddress): () => void
  /** Makes what leads to an address take less, octets, in place of what it took before; undefined: as much as everything else. */
  narrow(destination: IpAddress, mtu: number | undefined): void
  /** Is told of paths that become narrower or wider, as if routers on them told everybody; the returned function ends that. */
  watchPaths(watcher: (destination: IpAddress, mtu: number | undefined) => void): () => void
  /** Adds an observer; the returned function removes it. */
  observe(observer: UnderlayObserver): () => void
}

/** Makes an underlay. */
export function memoryUnderlay(options: MemoryUnderlayOptions = {}): MemoryUnderlay {
  const { mtu = 1500, random } = options
  const receivers = new Map<string, (frame: UnderlayFrame) => void>()
  const observers = new Set<UnderlayObserver>()
  const cuts = new Map<string, number>()
  const paths = new Map<string, number>()
  const watchers = new Set<(destination: IpAddress, mtu: number | undefined) => void>()
  const queue: UnderlayFrame[] = []
  let draining = false

  const pair = (a: IpAddress, b: IpAddress): string => [String(a), String(b)].toSorted().join(' ')

  function fateOf(frame: UnderlayFrame): FrameFate {
    if (frame.bytes.length > Math.min(mtu, paths.get(String(frame.destination)) ?? mtu)) return 'too-big'
    if (cuts.has(pair(frame.source, frame.destination))) return 'cut'
    if (underlay.loss > 0 && random !== undefined && random.uint32() / 0x1_0000_0000 < underlay.loss) return 'lost'
    return receivers.has(String(frame.destination)) ? 'delivered' : 'unreachable'
  }

  function drain(): void {
    draining = true
    try {
      for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
        const fate = fateOf(frame)
        for (const observer of observers) observer(frame, fate)
        if (fate === 'delivered') receivers.get(String(frame.destination))?.(frame)
      }
    } finally {
      draining = false
    }
  }

  const underlay: MemoryUnderlay = {
    mtu,
    loss: 0,
    attach(address, receive) {
      const key = String(address)
      receivers.set(key, receive)
      return () => {
        if (receivers.get(key) === receive) receivers.delete(key)
      }
    },
    transmit(frame) {
      queue.push(frame)
      if (!draining) drain()
    },
    cut(a, b) {
      const key = pair(a, b)
      cuts.set(key, (cuts.get(key) ?? 0) + 1)
      let healed = false
      return () => {
        if (healed) return
        healed = true
        const left = (cuts.get(key) ?? 1) - 1
        if (left === 0) cuts.delete(key)
        else cuts.set(key, left)
      }
    },
    narrow(destination, path) {
      if (path === undefined) paths.delete(String(destination))
      else paths.set(String(destination), path)
      for (const watcher of watchers) watcher(destination, path)
    },
    watchPaths(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    observe(observer) {
      observers.add(observer)
      return () => observers.delete(observer)
    },
  }
  return underlay
}
