import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BgpCapture, capturedToJson, type CapturedItem } from '@heddle/bgp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DIRECTORY, has, octetsOf, unhex } from './directory.js'

/** What a capture has, read in pieces of a size that divides nothing. */
function itemsOf(bytes: Uint8Array): CapturedItem[] {
  const capture = new BgpCapture()
  const items: CapturedItem[] = []
  for (let at = 0; at < bytes.length; at += 997) items.push(...capture.push(bytes.subarray(at, at + 997)))
  items.push(...capture.end())
  for (const item of items) expect(JSON.parse(JSON.stringify(capturedToJson(item)))).toEqual(capturedToJson(item))
  return items
}

/** BGP messages, alone and within BMP, and BMP messages. */
function countsOf(items: readonly CapturedItem[]): { bgp: number; bmp: number } {
  let [bgp, bmp] = [0, 0]
  for (const item of items) {
    if (item.kind === 'bgp') bgp++
    if (item.kind !== 'bmp') continue
    bmp++
    const { message } = item.item
    if (message.type === 'route-monitoring') bgp++
    if (message.type === 'peer-up') bgp += 2
    if (message.type === 'peer-down' && (message.reason === 1 || message.reason === 3)) bgp++
  }
  return { bgp, bmp }
}

interface Row {
  readonly source: string
  readonly licence: string
  readonly bgp: number
  readonly bmp: number
  readonly hex: string
}

const own = readFileSync(new URL('captures.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row)

test.each(own)('as many messages as tshark finds: $source', ({ hex, bgp, bmp }) => {
  expect(countsOf(itemsOf(unhex(hex)))).toEqual({ bgp, bmp })
})

/** Captures of which other counts are right. */
const DIFFERS: Readonly<Record<string, string>> = {
  'pcap/netgauze/bmp__stateless-with-add-path__ipv4_unicast_all.pcap': 'version 4 of BMP, which is a draft',
  'pcap/netgauze/bmp__vpnv4-stateless-with-withdraw__vpnv4-stateless-with-withdraw.pcap': 'version 4 of BMP, which is a draft',
  'pcap/tcpdump/bgp-bgp_capabilities_print-oobr-2.pcap': 'a fragment of a packet whose beginning is not there',
}

interface Listed {
  readonly file: string
  readonly bgp: number
  readonly bmp: number
}

function manifest(): Listed[] {
  if (!has('MANIFEST.tsv') || !has('pcap')) return []
  return readFileSync(`${DIRECTORY}/MANIFEST.tsv`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [file = '', , , , contains = ''] = line.split('\t')
      const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(contains)?.[1] ?? 0)
      const row = { file, bgp: count('BGP PDUs'), bmp: count('BMP messages') }
      return file.startsWith('pcap/') && row.bgp + row.bmp > 0 && !(file in DIFFERS) ? [row] : []
    })
}

const listed = manifest()

describe.skipIf(listed.length === 0)('captures of others (skipped without HEDDLE_VECTORS)', () => {
  test.each(listed)('as many messages as the manifest says: $file', ({ file, bgp, bmp }) => {
    expect(countsOf(itemsOf(octetsOf(file)))).toEqual({ bgp, bmp })
  })
})

const TSHARK = ['/usr/bin/tshark', '/usr/local/bin/tshark'].find((path) => existsSync(path))

/** Types, lengths and attributes of the messages as tshark says them, one text a message, in the order of the capture. */
function dissected(file: string): string[] {
  const fields = ['bgp.type', 'bgp.length', 'bgp.update.path_attribute.type_code', 'bgp.nlri_prefix', 'bgp.withdrawn_prefix']
  const xml = execFileSync(TSHARK ?? '', ['-r', file, '-Y', 'bgp', '-T', 'pdml'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return xml
    .split('<proto name="bgp"')
    .slice(1)
    .map((part) => {
      const values = [...part.split('</proto>')[0].matchAll(/<field name="([\w.]+)"[^>]* show="([^"]*)"/g)]
      return fields.map((field) => values.flatMap(([, name, value]) => (name === field ? [value] : [])).join(',')).join(' | ')
    })
}

/** The same of ours. */
function described(items: readonly CapturedItem[]): string[] {
  return items.flatMap((item) => {
    if (item.kind !== 'bgp') return []
    const { pdu, result } = item
    const types: number[] = []
    const [announced, withdrawn]: [string[], string[]] = [[], []]
    if (pdu[18] === 2) {
      const from = 23 + ((pdu[19] << 8) | pdu[20])
      for (let at = from; at < from + ((pdu[from - 2] << 8) | pdu[from - 1]);) {
        types.push(pdu[at + 1])
        at += (pdu[at] & 0x10) === 0 ? 3 + pdu[at + 2] : 4 + ((pdu[at + 2] << 8) | pdu[at + 3])
      }
      if (result.ok && result.message.type === 'update') {
        for (const [list, out] of [
          [result.message.announced, announced],
          [result.message.withdrawn, withdrawn],
        ] as const)
          for (const { family, nlri } of list)
            if (family.name === 'ipv4-unicast') for (const one of nlri) if (one.kind === 'unicast') out.push(String(one.prefix.address))
      }
    }
    return [[pdu[18], (pdu[16] << 8) | pdu[17], types.join(','), announced.join(','), withdrawn.join(',')].join(' | ')]
  })
}

describe.skipIf(TSHARK === undefined)(
  `read as tshark reads them${TSHARK === undefined ? ' (not run: tshark is not installed)' : ''}`,
  () => {
    let folder: string
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'heddle-captures-'))
    })
    afterAll(() => rmSync(folder, { recursive: true }))

    test.each(own)('$source', ({ hex }) => {
      const file = join(folder, 'capture')
      writeFileSync(file, unhex(hex))
      const theirs = dissected(file)
      expect(theirs.length).toBeGreaterThan(0)
      expect(described(itemsOf(unhex(hex))).sort()).toEqual(theirs.sort())
    })
  },
)
