import type { ByteReader, ByteWriter } from '@heddle/wire'
import { decodeText, encodeText } from '../message/text.js'
import { BMP_INFORMATION } from './iana.js'

/** A TLV with information (RFC 7854 §4.4, RFC 9069 §5.2.1). */
export type BmpInformation =
  | { readonly kind: 'text' | 'system-description' | 'system-name' | 'table-name'; readonly text: string }
  /** Of an unknown type, or no UTF-8. */
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

const KINDS = ['text', 'system-description', 'system-name', 'table-name'] as const

/** Type, length (2 octets each) and value, to the end of the container. @throws WireError `wire.truncated` */
export function decodeInformation(input: ByteReader): BmpInformation[] {
  const out: BmpInformation[] = []
  while (input.remaining > 0) {
    const type = input.u16()
    const value = input.octets(input.u16())
    const kind = type <= BMP_INFORMATION.tableName ? KINDS[type] : undefined
    const text = kind === undefined ? undefined : decodeText(value)
    out.push(kind === undefined || text === undefined ? { kind: 'unknown', type, value: value.slice() } : { kind, text })
  }
  return out
}

/** Writes TLVs. */
export function encodeInformation(list: readonly BmpInformation[], out: ByteWriter): void {
  for (const item of list) {
    const value = item.kind === 'unknown' ? item.value : encodeText(item.text)
    out
      .u16(item.kind === 'unknown' ? item.type : KINDS.indexOf(item.kind))
      .u16(value.length)
      .octets(value)
  }
}
