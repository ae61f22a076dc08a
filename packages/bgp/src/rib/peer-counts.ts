/** How many paths each peer has in a table, and how many of them are stale. */
export class PeerCounts {
  readonly #paths: number[] = []
  readonly #stale: number[] = []
  #all = 0

  /** Paths of all peers. */
  get all(): number {
    return this.#all
  }

  of(peer: number): number {
    return this.#paths[peer] ?? 0
  }

  staleOf(peer: number): number {
    return this.#stale[peer] ?? 0
  }

  add(peer: number): void {
    for (let next = this.#paths.length; next <= peer; next++) {
      this.#paths.push(0)
      this.#stale.push(0)
    }
    this.#paths[peer]++
    this.#all++
  }

  remove(peer: number): void {
    this.#paths[peer]--
    this.#all--
  }

  /** The peer has none any more. */
  clear(peer: number): void {
    this.#all -= this.of(peer)
    this.#paths[peer] = 0
    this.#stale[peer] = 0
  }

  addStale(peer: number): void {
    this.#stale[peer]++
  }

  removeStale(peer: number): void {
    this.#stale[peer]--
  }
}
