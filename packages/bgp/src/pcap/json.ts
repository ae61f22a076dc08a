import { bmpToJson } from '../bmp/json.js'
import { resultToJson, type Json } from '../message/json.js'
import type { CapturedEnd, CapturedItem } from './bgp-capture.js'

/** An item of a capture as plain data: `time` in ISO 8601, ends as `address:port`, and the message as `messageToJson` or `bmpToJson` has it. */
export function capturedToJson(item: CapturedItem): Json {
  if (item.kind === 'file-fault') return { ok: false, error: { ...item.error } }
  const { source, destination } = item
  const at = { time: timeOf(item.time), source: endOf(source), destination: endOf(destination) }
  switch (item.kind) {
    case 'bgp':
      return { ...at, ...resultToJson(item.result) }
    case 'bmp':
      return { ...at, ok: true, bmp: bmpToJson(item.item) }
    default: {
      const { code, offset, path, rfc } = item.error
      return { ...at, ok: false, error: { code, offset, path, rfc } }
    }
  }
}

/** Microseconds since 1970 in ISO 8601, which ends with the year 275,760. */
function timeOf(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000)
  if (Math.abs(milliseconds) > 8.64e15) return String(microseconds)
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(microseconds % 1000).padStart(3, '0')}Z`
}

function endOf({ address, port }: CapturedEnd): string {
  return address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`
}
