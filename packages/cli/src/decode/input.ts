import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

const GZIP = [0x1f, 0x8b] as const

/** The octets of a file, out of gzip where it begins so. @throws the system's error for a file that cannot be read, zlib's for one that is cut off */
export function fileOctets(path: string): AsyncIterable<Uint8Array> {
  return octets(createReadStream(path, { highWaterMark: 1 << 16 }))
}

/** Octets as they come, out of gzip where they begin so. */
export async function* octets(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array()
  while (head.length < GZIP.length) {
    const { done = false, value } = await source.next()
    if (done) break
    head = head.length === 0 ? (value as Uint8Array) : Uint8Array.of(...head, ...(value as Uint8Array))
  }
  const whole = (async function* () {
    yield head
    yield* { [Symbol.asyncIterator]: () => source }
  })()
  if (!GZIP.every((octet, at) => head[at] === octet)) return yield* whole
  const gunzip = createGunzip()
  // an error of the source must not be lost: it ends the other end too
  const reading = Readable.from(whole, { objectMode: false }).on('error', (error) => gunzip.destroy(error))
  yield* reading.pipe(gunzip) as AsyncIterable<Uint8Array>
}
