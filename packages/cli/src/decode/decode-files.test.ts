import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { encodeBmp, encodeMrt, type BmpMessage, type MrtRecord } from '@heddle/bgp'
import { bmpMessages, mrtRecords } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { Output } from '../output/output.js'
import { decodeFiles, type DecodeFilesOptions } from './decode-files.js'
import type { FileFormat } from './records.js'

const vectors = new URL('../../../bgp/test/vectors/', import.meta.url)
const shared = process.env['HEDDLE_VECTORS'] ?? new URL('../../../../../shared/vectors/', import.meta.url).pathname
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-decode-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const collect = (): { output: Output; text: () => string } => {
  let text = ''
  const output: Output = {
    write(part) {
      text += String(part)
      return false
    },
    drained: async () => undefined,
    error: () => undefined,
    isTerminal: false,
  }
  return { output, text: () => text }
}
async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** What is printed of octets on standard input. */
async function printed(format: FileFormat, bytes: Uint8Array, options: Partial<DecodeFilesOptions> = {}): Promise<string> {
  const { output, text } = collect()
  await decodeFiles(format, { files: [], ...options }, pieces(bytes), output)
  return text()
}
const values = (text: string): Record<string, never>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, never>)
const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
const recorded = (name: string): Uint8Array[] =>
  readFileSync(new URL(name, vectors), 'utf8')
    .trim()
    .split('\n')
    .map((line) => Uint8Array.from(Buffer.from((JSON.parse(line) as { hex: string }).hex, 'hex')))

describe('records of files', () => {
  it('are one JSON a line, plain or gzip, from standard input or a file', async () => {
    const records = recorded('mrt.jsonl')
    const plain = await printed('mrt', joined(records))
    expect(values(plain)).toHaveLength(records.length)
    for (const value of values(plain)) expect(value).toMatchObject({ ok: true, kind: expect.any(String) as string })
    expect(await printed('mrt', gzipSync(joined(records)))).toBe(plain)
    const file = join(folder, 'records.gz')
    writeFileSync(file, gzipSync(joined(records)))
    expect(await printed('mrt', new Uint8Array(), { files: [file] })).toBe(plain)
    expect(await printed('mrt', joined(records), { files: [file, '-'] })).toBe(plain + plain)
  })

  it('are counted by kind', async () => {
    const [{ hex }] = readFileSync(new URL('captures.jsonl', vectors), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { hex: string })
    const summary = await printed('pcap', Uint8Array.from(Buffer.from(hex, 'hex')), { summary: true })
    expect(summary.split('\n').map((line) => line.trim())).toEqual(
      expect.arrayContaining(['RECORDS  KIND', '2  bgp open', '2  bgp notification', '6  bgp update', '1  bgp.stream.gap']),
    )
  })

  it('are a line a record for people', async () => {
    const text = await printed('bmp', joined(recorded('bmp.jsonl').slice(0, 1)), { table: true })
    expect(text).toMatch(/AS \d+ {2}peer-up/)
    expect(text).toMatch(/route-monitoring {2}\+/)
    for (const format of ['mrt', 'pcap'] as const) {
      const bytes = format === 'mrt' ? joined(recorded('mrt.jsonl')) : recorded('captures.jsonl')[2]
      const [lines, table] = [await printed(format, bytes), await printed(format, bytes, { table: true })]
      expect(table.split('\n')).toHaveLength(lines.split('\n').length)
    }
  })

  it('that are cut off, or of another format, are errors', async () => {
    const [record] = recorded('mrt.jsonl')
    expect(values(await printed('mrt', record.subarray(0, -1)))).toMatchObject([{ ok: false, error: { code: 'mrt.truncated' } }])
    expect(values(await printed('pcap', new TextEncoder().encode('no capture')))).toMatchObject([
      { ok: false, error: { code: 'capture.magic' } },
    ])
    expect(values(await printed('bmp', Uint8Array.of(3, 0, 0, 0, 9)))).toMatchObject([{ ok: false, error: { code: 'bmp.truncated' } }])
    expect(await printed('bmp', new Uint8Array())).toBe('')
    await expect(printed('mrt', gzipSync(record).subarray(0, -9))).rejects.toThrow(/unexpected end of file/)
    await expect(printed('mrt', new Uint8Array(), { files: [join(folder, 'none')] })).rejects.toThrow(/ENOENT/)
  })
})

test('as many records come out as went in, whatever the pieces', async () => {
  const of = <T>(record: fc.Arbitrary<T>, encode: (value: T) => Uint8Array) => fc.array(record.map(encode), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(
      of<BmpMessage>(bmpMessages, encodeBmp),
      of<MrtRecord>(mrtRecords, encodeMrt),
      fc.integer({ min: 1, max: 500 }),
      async (bmp, mrt, size) => {
        for (const [format, parts] of [
          ['bmp', bmp],
          ['mrt', mrt],
        ] as const) {
          const { output, text } = collect()
          await decodeFiles(format, { files: [] }, pieces(joined(parts), size), output)
          expect(text() === '' ? [] : values(text())).toHaveLength(parts.length)
        }
      },
    ),
    { numRuns: 60 },
  )
})

it('asks for more of a file only when what it has is written, however long the file', async () => {
  const record = joined(recorded('mrt.jsonl'))
  const each = recorded('mrt.jsonl').length
  const rounds = 300
  let [written, behind, characters] = [0, 0, 0]
  const output: Output = {
    write(text) {
      written += String(text).split('\n').length - 1
      characters = Math.max(characters, text.length)
      return false
    },
    drained: async () => undefined,
    error: () => undefined,
    isTerminal: false,
  }
  const file = (async function* () {
    for (let round = 0; round < rounds; round++) {
      behind = Math.max(behind, round * each - written)
      yield record.slice()
    }
  })()
  await decodeFiles('mrt', { files: [] }, file, output)
  expect(written).toBe(rounds * each)
  // one batch of text, and no more
  const perRecord = (await printed('mrt', record)).length / each
  expect(behind).toBeLessThan((1 << 16) / perRecord + each)
  expect(characters).toBeLessThan((1 << 16) + 20 * perRecord)
})

const MRT_FILES = [
  'bgpdump/updates.20071015.1505.gz',
  'bgpkit-parser/rrc00_2000.01_updates.20000102.2014.gz',
  'peer-run/base.gobgp-hub.table.mrt',
]

describe.skipIf(!readable(`${shared}/mrt`))('MRT files of others (skipped without HEDDLE_VECTORS)', () => {
  it.each(MRT_FILES)('have as many records of each type as the manifest says: %s', async (file) => {
    const oracle = JSON.parse(readFileSync(`${shared}/mrt/${file}.oracle.json`, 'utf8')) as { mrt_records: Record<string, number> }
    const summary = await printed('mrt', new Uint8Array(), { files: [`${shared}/mrt/${file}`], summary: true })
    const counts: Record<string, number> = {}
    for (const [, count, type] of summary.matchAll(/^ *(\d+) {2}(\d+\/\d+) /gm)) counts[type] = (counts[type] ?? 0) + Number(count)
    expect(counts).toEqual(oracle.mrt_records)
  })
})

function readable(path: string): boolean {
  try {
    readFileSync(`${path}/bgpdump/updates.20071015.1505.gz`)
    return true
  } catch {
    return false
  }
}
