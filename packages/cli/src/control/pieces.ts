/** Hands pieces from one who puts to one who takes. One piece waits; who puts another one is held back until there is room. */
export class Pieces {
  #piece: readonly unknown[] | undefined
  #error: Error | undefined
  #ended = false
  #changed: (() => void) | undefined

  /** Resolves when there is room for the next one. */
  async put(piece: readonly unknown[]): Promise<void> {
    while (this.#piece !== undefined && !this.#ended) await this.#change()
    if (this.#ended) return
    this.#piece = piece
    this.#tell()
  }

  /** The next piece; `undefined` at the end. @throws the error that ended it, behind what was put before */
  async take(): Promise<readonly unknown[] | undefined> {
    while (this.#piece === undefined && !this.#ended) await this.#change()
    const piece = this.#piece
    this.#piece = undefined
    this.#tell()
    if (piece === undefined && this.#error !== undefined) throw this.#error
    return piece
  }

  /** No more pieces. The first end counts. */
  end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#tell()
  }

  #tell(): void {
    const changed = this.#changed
    this.#changed = undefined
    changed?.()
  }

  /** Only one side waits at a time: the one for room, or the other for a piece. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => (this.#changed = resolve))
  }
}
