/** Where a command writes; a process has its own, a test collects. */
export interface Output {
  /** Standard output; false: wait for `drained`. */
  write(text: string | Uint8Array): boolean
  drained(): Promise<void>
  /** Standard error. */
  error(text: string): void
  readonly isTerminal: boolean
}

/** The process's standard output and error. Colours only where a person looks, and `NO_COLOR` is not set. */
export function processOutput(): Output {
  return {
    write: (text) => process.stdout.write(text),
    drained: async () =>
      new Promise((resolve) => {
        if (!process.stdout.writableNeedDrain) resolve()
        else process.stdout.once('drain', resolve)
      }),
    error: (text) => void process.stderr.write(text),
    isTerminal: process.stdout.isTTY && (process.env.NO_COLOR ?? '') === '',
  }
}
