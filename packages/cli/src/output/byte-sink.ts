import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Output } from './output.js'

/** Where octets go, at the pace of who takes them. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** Opens a file or a pipe. @param path `-` for standard output */
export function openByteSink(path: string, output: Output): ByteSink {
  if (path === '-') {
    return {
      write: async (chunk) => {
        if (!output.write(chunk)) await output.drained()
      },
      close: async () => undefined,
    }
  }
  const file = createWriteStream(path)
  let failure: Error | undefined
  file.on('error', (error) => (failure = error))
  return {
    write: async (chunk) => {
      if (failure !== undefined) throw failure
      if (!file.write(chunk)) await Promise.race([once(file, 'drain'), once(file, 'close')])
    },
    close: async () => {
      file.end()
      if (!file.closed) await once(file, 'close')
      if (failure !== undefined) throw failure
    },
  }
}
