import { IpAddress } from '@heddle/wire'
import { TransportError, type Endpoint } from '../transport.js'

const FIRST_EPHEMERAL = 49_152
const EPHEMERALS = 16_384
const ANY_V4 = IpAddress.v4(0)
const ANY_V6 = IpAddress.v6(0, 0, 0, 0)

/** Who listens where on one host. `::` hears IPv4 too, as on most systems. */
export class PortTable<T> {
  readonly #entries = new Map<string, T>()
  #next = 0

  /**
   * A port that is free at `address`: `port` itself, or any when that is 0.
   *
   * @throws TransportError `transport.address-in-use`
   */
  reserve(address: IpAddress, port: number): number {
    if (port !== 0) {
      if (this.#isTaken(address, port)) throw new TransportError('transport.address-in-use', `${address} port ${port} is in use`)
      return port
    }
    for (let tries = 0; tries < EPHEMERALS; tries++) {
      const candidate = this.ephemeral()
      if (!this.#isTaken(address, candidate)) return candidate
    }
    throw new TransportError('transport.address-in-use', `${address} has no free port`)
  }

  /** The next port of the range that systems give out, 49,152–65,535. */
  ephemeral(): number {
    return FIRST_EPHEMERAL + (this.#next++ % EPHEMERALS)
  }

  set(local: Endpoint, entry: T): void {
    this.#entries.set(keyOf(local.address, local.port), entry)
  }

  /** Removes `entry`, unless another has taken its place. */
  delete(local: Endpoint, entry: T): void {
    const key = keyOf(local.address, local.port)
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
  }

  /** Who hears what is sent to `to`: the exact address, else the unspecified one. */
  find({ address, port }: Endpoint): T | undefined {
    return (
      this.#entries.get(keyOf(address, port)) ??
      (address.family === 4 ? this.#entries.get(keyOf(ANY_V4, port)) : undefined) ??
      this.#entries.get(keyOf(ANY_V6, port))
    )
  }

  values(): T[] {
    return [...this.#entries.values()]
  }

  #isTaken(address: IpAddress, port: number): boolean {
    return [...this.#entries.keys()].some((key) => {
      const [taken, takenPort] = key.split('|')
      return Number(takenPort) === port && overlap(IpAddress.parse(taken), address)
    })
  }
}

/** Whether one socket address hears what the other one hears. */
function overlap(a: IpAddress, b: IpAddress): boolean {
  if (a.equals(b)) return true
  const wildcard = (any: IpAddress, other: IpAddress): boolean => any.isUnspecified && (any.family === 6 || other.family === 4)
  return wildcard(a, b) || wildcard(b, a)
}

function keyOf(address: IpAddress, port: number): string {
  return `${address}|${port}`
}
