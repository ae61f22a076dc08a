import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

/** Where vectors that are too many, or of too many licences, for this repository lie. */
export const DIRECTORY = process.env['HEDDLE_VECTORS'] ?? fileURLToPath(new URL('../../../../../shared/vectors/', import.meta.url))

/** Whether the file is there. */
export function has(name: string): boolean {
  return existsSync(`${DIRECTORY}/${name}`)
}

/** The file's octets, out of gzip where its name ends so. */
export function octetsOf(name: string): Uint8Array {
  const bytes = readFileSync(`${DIRECTORY}/${name}`)
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes
}

/** The lines of a file. */
export function linesOf(name: string): string[] {
  return Buffer.from(octetsOf(name)).toString().trim().split('\n')
}

/** Values of a file of one JSON text a line. */
export function valuesOf<T>(name: string): T[] {
  return linesOf(name).map((line) => JSON.parse(line) as T)
}

/** The octets of hex. */
export function unhex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}
