import { readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import {
  BmpStation,
  MrtStream,
  bmpMessage,
  decodeBmp,
  decodeMrt,
  encodeBmp,
  encodeMrt,
  mrtAttributes,
  mrtMessage,
  mrtNlri,
  type MrtResult,
} from '@heddle/bgp'
import { describe, expect, test } from 'vitest'
import { has, octetsOf, unhex, valuesOf, DIRECTORY } from './directory.js'
import { bgpdumpLines } from './bgpdump.js'

interface BmpRow {
  readonly id: string
  readonly source: string
  readonly hex: string
  readonly version: number
}

/** Messages whose octets are fewer than the lengths within them say. */
const CUT: readonly { readonly why: string; readonly ids: readonly string[] }[] = [
  { why: 'GoBGP cuts an OPEN with extended parameters off in its peer up', ids: ['bs00007', 'bs00015', 'bs00066', 'bs00078'] },
  { why: 'the literal of a test that never looks behind the header', ids: ['bs00120', 'bs00121'] },
]

describe.skipIf(!has('bmp-messages.jsonl.gz'))('the corpus of 4,129 BMP messages (skipped without HEDDLE_VECTORS)', () => {
  const rows = has('bmp-messages.jsonl.gz') ? valuesOf<BmpRow>('bmp-messages.jsonl.gz') : []

  test('messages of version 3 decode and encode to the same octets; each exception has a reason', () => {
    const expected = new Set(CUT.flatMap(({ ids }) => ids))
    for (const { id, source, hex, version } of rows) {
      const bytes = unhex(hex)
      const result = decodeBmp(bytes)
      if (version !== 3) expect(result).toMatchObject({ ok: false, error: { code: 'bmp.version' } })
      else if (expected.has(id)) expect(result).toMatchObject({ ok: false, error: { code: 'bmp.truncated' } })
      else if (!result.ok) expect.unreachable(`${id} ${source} ${result.error.code}`)
      else expect(Buffer.compare(encodeBmp(result.message), bytes), id).toBe(0)
    }
    expect(rows.length).toBe(4129)
  })

  test('what they carry are UPDATEs', () => {
    const seen = { fine: 0, flawed: 0, refused: 0 }
    for (const { hex } of rows) {
      const result = decodeBmp(unhex(hex))
      if (!result.ok || result.message.type !== 'route-monitoring') continue
      const update = bmpMessage(result.message)
      if (!update.ok) seen.refused++
      else if (update.errors.length > 0) seen.flawed++
      else seen.fine++
    }
    expect(seen.fine).toBeGreaterThan(3500)
    // Without the session's OPENs nobody knows of path identifiers and widths of AS numbers.
    expect(seen.refused).toBeLessThan(140)
  })

  test('cut at any octet, or with any octet changed, they are values or errors', () => {
    for (const { hex } of rows.filter((_row, index) => index % 40 === 0)) {
      const bytes = unhex(hex)
      for (let at = 0; at < bytes.length; at++) {
        const cut = bytes.slice(0, at)
        if (at >= 5) new DataView(cut.buffer).setUint32(1, at)
        expect(decodeBmp(cut)).toHaveProperty('ok')
        expect(decodeBmp(bytes.with(at, bytes[at] ^ 0xff))).toHaveProperty('ok')
      }
    }
  })
})

interface MrtOracle {
  readonly mrt_records: Readonly<Record<string, number>>
  readonly lines: number
  readonly text_file?: string
}

interface MrtRow {
  readonly file: string
  /** Why the routes in text cannot be those of bgpdump. */
  readonly differs?: string
}

const MRT: readonly MrtRow[] = [
  { file: 'bgpdump/bview.20020722.2337.gz' },
  { file: 'bgpdump/bview.ipv4_unicast_add_path.gz' },
  { file: 'bgpdump/updates.20020722.2238.gz' },
  { file: 'bgpdump/updates.20071015.1505.gz' },
  { file: 'bgpdump/updates.20160811.1600.gz' },
  {
    file: 'bgpdump/updates.nlri_mask_trailing_bits.gz',
    differs: 'the last of its NLRI is cut off, which ends a session (RFC 7606 §5.3); bgpdump prints those before it',
  },
  { file: 'bgpkit-parser/rrc00_1999.09_updates.19990903.1041.gz' },
  { file: 'bgpkit-parser/rrc00_2000.01_updates.20000102.2014.gz' },
  {
    file: 'bgpkit-parser/rrc00_2000.03_updates.20000325.0345.gz',
    differs: 'a record whose attributes are cut off, of which bgpdump prints what stands in memory behind them',
  },
  { file: 'bgpkit-parser/rrc03_2010.02_updates.20100227.1600.first-796-records.gz' },
  { file: 'bgpkit-parser/rrc15_2010.02_updates.20100227.1610.gz' },
  { file: 'bgpkit-parser/updates.bz2' },
  { file: 'libbgpstream/ris.rrc06.updates.1427846400.gz' },
  { file: 'mrtparse/bird-mrtdump_bgp' },
  { file: 'mrtparse/bird-mrtdump_rib' },
  { file: 'mrtparse/bird_bgp', differs: 'path identifiers in records that say there are none, which bgpdump prints as 0.0.0.0/0' },
  { file: 'mrtparse/openbgpd_rib_table-mp' },
  { file: 'mrtparse/openbgpd_rib_table-v2' },
  { file: 'mrtparse/quagga_bgp' },
  ...['addpath', 'base', 'ebgp'].flatMap((run) => [
    { file: `peer-run/${run}.bird.rib.master4.mrt` },
    { file: `peer-run/${run}.bird.rib.master6.mrt` },
    { file: `peer-run/${run}.gobgp-hub.table.mrt` },
    { file: `peer-run/${run}.gobgp-hub.updates.mrt` },
  ]),
  { file: 'ryu/rib.20161101.0000_pick.bz2' },
]

/** Records of a file, read in pieces; `undefined` without the tool that its compression needs. */
function recordsOf(file: string): { bytes: Uint8Array; results: MrtResult[] } | undefined {
  const bytes = unpacked(file)
  if (bytes === undefined) return undefined
  const stream = new MrtStream()
  const results: MrtResult[] = []
  for (let at = 0; at < bytes.length; at += 65_536) results.push(...stream.push(bytes.subarray(at, at + 65_536)))
  const last = stream.end()
  if (last !== undefined) results.push(last)
  return { bytes, results }
}

function unpacked(file: string): Uint8Array | undefined {
  if (!file.endsWith('.bz2')) return octetsOf(`mrt/${file}`)
  const { status, stdout } = spawnSync('bzip2', ['-dc', `${DIRECTORY}/mrt/${file}`], { maxBuffer: 1 << 28 })
  return status === 0 ? stdout : undefined
}

describe.skipIf(!has('mrt'))('MRT files (skipped without HEDDLE_VECTORS)', () => {
  test.each(MRT)('$file', ({ file, differs }) => {
    const read = recordsOf(file)
    if (read === undefined) return
    const oracle = JSON.parse(readFileSync(`${DIRECTORY}/mrt/${file}.oracle.json`, 'utf8')) as MrtOracle
    const counts: Record<string, number> = {}
    let at = 0
    for (const result of read.results) {
      if (!result.ok) {
        // One file goes on with octets that are no record.
        expect([result.error.code, file]).toEqual(['mrt.length', 'bgpkit-parser/rrc00_2000.03_updates.20000325.0345.gz'])
        continue
      }
      const { type, subtype } = result.header
      counts[`${type}/${subtype}`] = (counts[`${type}/${subtype}`] ?? 0) + 1
      const again = encodeMrt(result.record)
      expect(Buffer.compare(again, read.bytes.subarray(at, at + again.length)), `record at ${at}`).toBe(0)
      at += again.length
    }
    expect(counts).toEqual(oracle.mrt_records)
    if (oracle.text_file === undefined || differs !== undefined) return
    const theirs = Buffer.from(octetsOf(`mrt/${file.slice(0, file.lastIndexOf('/'))}/${oracle.text_file}`))
      .toString()
      .trim()
      .split('\n')
    expect(bgpdumpLines(read.results).sort()).toEqual(
      theirs
        .filter((line) => line !== '')
        .map(unsigned)
        .sort(),
    )
  })

  test('every message of an archive, changed in one octet, is a value or an error', () => {
    const read = recordsOf('mrtparse/quagga_bgp')
    for (const result of read?.results ?? []) {
      if (!result.ok) continue
      const bytes = encodeMrt(result.record)
      for (let offset = 0; offset < bytes.length; offset++) {
        const changed = decodeMrt(bytes.with(offset, bytes[offset] ^ 0xff))
        expect(changed).toHaveProperty('ok')
        if (changed.ok && changed.record.kind === 'message') expect(mrtMessage(changed.record)).toHaveProperty('ok')
      }
    }
  })
})

/** LOCAL_PREF and MED as they are: bgpdump prints some of them as if they had a sign. */
function unsigned(line: string): string {
  return line.replaceAll(/\|-(\d+)(?=\|)/g, (_text, digits: string) => `|${-Number(digits) >>> 0}`)
}

interface Session {
  readonly source: string
  readonly hex: string
}

function recorded(name: string): readonly Session[] {
  const text = readFileSync(new URL(name, import.meta.url), 'utf8').trim()
  return text.split('\n').map((line) => JSON.parse(line) as Session)
}

test.each(recorded('bmp.jsonl'))('a station reads the routes of peers as their OPENs say: $source', ({ hex }) => {
  const items = new BmpStation().push(unhex(hex))
  expect(items.length).toBeGreaterThan(10)
  for (const item of items) {
    if ('error' in item) expect.unreachable(item.error.code)
    if (item.update !== undefined) expect(item.update).toMatchObject({ ok: true, errors: [] })
  }
  expect(Buffer.concat(items.map((item) => ('error' in item ? new Uint8Array() : encodeBmp(item.message)))).toString('hex')).toBe(hex)
})

describe.each(recorded('mrt.jsonl'))('$source', ({ hex }) => {
  const bytes = unhex(hex)
  const result = decodeMrt(bytes)

  test('decodes, with what is in it, and encodes to the same octets', () => {
    if (!result.ok) expect.unreachable(result.error.code)
    const { record } = result
    expect(Buffer.from(encodeMrt(record)).toString('hex')).toBe(hex)
    if (record.kind === 'message') expect(mrtMessage(record)).toMatchObject({ ok: true, errors: [] })
    if (record.kind !== 'rib') return
    expect(mrtNlri(record)).not.toHaveProperty('handling')
    for (const { attributes } of record.entries) {
      const { errors, ...rest } = mrtAttributes(attributes, record.family, true)
      // BIRD writes attributes without flags.
      expect(errors.filter(({ handling }) => handling !== 'ignore')).toEqual([])
      expect(rest.attributes.origin).toBeDefined()
    }
  })

  test('cut at any octet, is an error', () => {
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.slice(0, length)
      expect(decodeMrt(cut).ok).toBe(false)
      if (length < 12) continue
      new DataView(cut.buffer).setUint32(8, length - 12)
      expect(decodeMrt(cut)).toHaveProperty('ok')
    }
  })
})
