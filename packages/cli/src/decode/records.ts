import { BgpCapture, BmpStation, MrtStream, bmpToJson, capturedToJson, mrtToJson, type Json, type MrtResult } from '@heddle/bgp'

/** A record of a file: as plain data, and of which kind it is. */
export interface DecodedRecord {
  /** What it counts as: `update`, `peer-up`, `rib`, or the code of an error. */
  readonly kind: string
  readonly json: { readonly [key: string]: Json }
}

/** Takes octets of a file in pieces, and gives the records that they complete. */
export interface RecordReader {
  push(chunk: Uint8Array): DecodedRecord[]
  end(): DecodedRecord[]
}

/** Files that `heddle decode` reads. */
export const FILE_FORMATS = ['mrt', 'bmp', 'pcap'] as const
/** One of `FILE_FORMATS`. */
export type FileFormat = (typeof FILE_FORMATS)[number]

/** A reader of a format. */
export function recordReader(format: FileFormat): RecordReader {
  switch (format) {
    case 'mrt':
      return mrtReader()
    case 'bmp':
      return bmpReader()
    default:
      return captureReader()
  }
}

function mrtReader(): RecordReader {
  const stream = new MrtStream()
  const record = (result: MrtResult): DecodedRecord => {
    if (!result.ok) return failed(result.error)
    const json = object(mrtToJson(result.record))
    return { kind: `${result.header.type}/${result.header.subtype} ${result.record.kind}`, json: { ok: true, ...json } }
  }
  return {
    push: (chunk) => stream.push(chunk).map(record),
    end: () => [stream.end()].flatMap((last) => (last === undefined ? [] : [record(last)])),
  }
}

function bmpReader(): RecordReader {
  const station = new BmpStation()
  return {
    push: (chunk) =>
      station.push(chunk).map((item) => {
        if ('error' in item) return failed(item.error)
        return { kind: item.message.type, json: { ok: true, ...object(bmpToJson(item)) } }
      }),
    end: () => {
      if (station.pending === 0) return []
      return [failed({ code: 'bmp.truncated', offset: station.pending, path: 'bmp', rfc: 'RFC 7854 §4.1' })]
    },
  }
}

function captureReader(): RecordReader {
  const capture = new BgpCapture()
  const records = (items: ReturnType<BgpCapture['push']>): DecodedRecord[] =>
    items.map((item) => {
      const json = object(capturedToJson(item))
      switch (item.kind) {
        case 'bgp':
          return { kind: item.result.ok ? `bgp ${item.result.message.type}` : item.result.error.code, json }
        case 'bmp':
          return { kind: `bmp ${item.item.message.type}`, json }
        default:
          return { kind: item.error.code, json }
      }
    })
  return { push: (chunk) => records(capture.push(chunk)), end: () => records(capture.end()) }
}

function failed(error: { readonly code: string; readonly offset: number; readonly path: string; readonly rfc: string }): DecodedRecord {
  const { code, offset, path, rfc } = error
  return { kind: code, json: { ok: false, error: { code, offset, path, rfc } } }
}

function object(json: Json): { readonly [key: string]: Json } {
  return json as { readonly [key: string]: Json }
}
