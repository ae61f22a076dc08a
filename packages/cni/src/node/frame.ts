/*
 * What the executable and the agent say to each other, one call a connection:
 *
 *     → heddle-cni/1 ENVIRONMENT-OCTETS INPUT-OCTETS\n   KEY=VALUE\0…   input
 *     ← heddle-cni/1 EXIT-CODE OUTPUT-OCTETS\n           output
 */
import type { CniResponse } from '../protocol/response.js'

const GREETING = 'heddle-cni/1'

const HEADER = /^heddle-cni\/1 (\d{1,9}) (\d{1,9})$/

/** Most octets of a call. */
const MOST = 32 << 20

/** Longest first line, octets. */
const LONGEST_HEADER = 64

/** A call as the executable hands it on. */
export interface FramedCall {
  readonly environment: Readonly<Record<string, string>>
  readonly input: string
}

/** Gathers the octets of one call. */
export class CallReader {
  readonly #chunks: Uint8Array[] = []
  #length = 0
  /** Where environment, input and call end, once the first line is there. */
  #ends: { readonly header: number; readonly environment: number; readonly input: number } | undefined

  /** Takes what has come. The call when it is whole, `undefined` when more is to come, `null` when it is none. */
  take(chunk: Uint8Array): FramedCall | undefined | null {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#ends === undefined) {
      const start = this.#joined().subarray(0, LONGEST_HEADER)
      const end = start.indexOf(0x0a)
      if (end < 0) return start.length < LONGEST_HEADER ? undefined : null
      const [, environment = '', input = ''] = HEADER.exec(text(start.subarray(0, end))) ?? []
      if (input === '' || Number(environment) + Number(input) > MOST) return null
      const body = end + 1 + Number(environment)
      this.#ends = { header: end + 1, environment: body, input: body + Number(input) }
    }
    const { header, environment, input } = this.#ends
    if (this.#length < input) return undefined
    const all = this.#joined()
    return { environment: variables(text(all.subarray(header, environment))), input: text(all.subarray(environment, input)) }
  }

  /** Everything as one piece; done while the first line is awaited, and when all is there. */
  #joined(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]
    const all = new Uint8Array(this.#length)
    let at = 0
    for (const chunk of this.#chunks.splice(0)) {
      all.set(chunk, at)
      at += chunk.length
    }
    this.#chunks.push(all)
    return all
  }
}

/** The octets of an answer. */
export function encodeResponse({ exitCode, output }: CniResponse): Uint8Array {
  const octets = new TextEncoder().encode(output)
  const header = new TextEncoder().encode(`${GREETING} ${exitCode} ${octets.length}\n`)
  const all = new Uint8Array(header.length + octets.length)
  all.set(header)
  all.set(octets, header.length)
  return all
}

function variables(block: string): Record<string, string> {
  const pairs = block.split('\0').filter((pair) => pair.includes('='))
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

function text(octets: Uint8Array): string {
  return new TextDecoder().decode(octets)
}
