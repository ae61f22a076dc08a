import type { MirrorDirection } from '../dataplane/mirror.js'
import type { TraceFilter } from '../dataplane/trace.js'
import { mirrorKey, traceKey, type FibCompiler } from '../fib/fib-compiler.js'

/** Something that is observed. */
export interface Observation {
  /** Of the mirror or trace, as events name it. */
  readonly id: number
  /** Ends it. Idempotent. */
  readonly release: () => void
}

/** A mirror or trace in use. */
interface Used {
  users: number
  /** What it refers to: when that goes, it goes. */
  readonly port: number | undefined
  readonly vrf: number | undefined
  readonly drop: () => void
}

/** What is observed until it is let go: the same mirror or trace serves all who want it. */
export class Observations {
  readonly #fib: FibCompiler
  readonly #used = new Map<string, Used>()

  constructor(fib: FibCompiler) {
    this.#fib = fib
  }

  /** Copies the packets of a port to the dataplane's events. */
  mirror(port: number, direction: MirrorDirection | 'both', snapLength: number | undefined): Observation {
    const object = { ports: [{ port, direction }], sink: { type: 'stream' }, ...(snapLength !== undefined && { snapLength }) } as const
    const key = mirrorKey(object)
    const { mirrors } = this.#fib
    return this.#use(`mirror ${key}`, mirrors.want(object), { users: 0, port, vrf: undefined, drop: () => mirrors.drop(key) })
  }

  /** Tells of packets by the dataplane's events. */
  trace(filter: TraceFilter): Observation {
    const key = traceKey({ filter })
    const { traces } = this.#fib
    return this.#use(`trace ${key}`, traces.want({ filter }), { users: 0, port: undefined, vrf: filter.vrf, drop: () => traces.drop(key) })
  }

  /** A port or a VRF goes, and what is observed of it. */
  gone({ port, vrf }: { readonly port?: number; readonly vrf?: number }): void {
    for (const [name, used] of this.#used) {
      if ((port === undefined || used.port !== port) && (vrf === undefined || used.vrf !== vrf)) continue
      this.#used.delete(name)
      used.drop()
    }
  }

  #use(name: string, id: number, fresh: Used): Observation {
    const used = this.#used.get(name) ?? fresh
    this.#used.set(name, used)
    used.users++
    let isReleased = false
    const release = (): void => {
      if (isReleased) return
      isReleased = true
      if (--used.users > 0 || this.#used.get(name) !== used) return
      this.#used.delete(name)
      used.drop()
    }
    return { id, release }
  }
}
