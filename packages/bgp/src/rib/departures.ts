/**
 * Peers that have gone, whose paths go one after the other: which these are is told by their peer, so that a peer's end costs the same however many
 * paths it had.
 */
export class Departures {
  /** By peer: paths that are still there. */
  readonly #left = new Map<number, number>()

  has(peer: number): boolean {
    return this.#left.size > 0 && this.#left.has(peer)
  }

  begin(peer: number, paths: number): void {
    this.#left.set(peer, paths)
  }

  /** One of a peer's paths goes. @returns whether the peer is departing */
  take(peer: number): boolean {
    const left = this.#left.size === 0 ? undefined : this.#left.get(peer)
    if (left === undefined) return false
    if (left === 1) this.#left.delete(peer)
    else this.#left.set(peer, left - 1)
    return true
  }

  /** The peer is there again. @returns its paths that are still there, which are told in another way from here on */
  end(peer: number): number {
    const left = this.#left.get(peer) ?? 0
    this.#left.delete(peer)
    return left
  }
}
