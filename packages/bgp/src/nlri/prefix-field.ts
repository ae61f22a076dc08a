import { IpAddress, IpPrefix, ValueError, WireError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI } from '../iana.js'
import type { Family } from './family.js'
import type { NlriMode } from './nlri-mode.js'
import { visitNlri, type NlriCursor } from './visit.js'

/** The withdrawn label that stands for none (RFC 8277 §2.4). */
const NO_LABEL = 0x80_0000

/** Values of a whole field, made by `make` from each entry. @throws WireError `bgp.nlri.truncated`, `bgp.nlri.length`, `bgp.nlri.label` */
export function decodePrefixField<T>(
  input: ByteReader,
  family: Family,
  mode: NlriMode,
  make: (entry: NlriCursor, field: Uint8Array) => T,
): T[] {
  const base = input.offset
  const field = input.rest()
  const out: T[] = []
  const fault = visitNlri(family, field, mode, (entry) => out.push(make(entry, field)))
  if (fault !== undefined) throw new WireError(fault.code, base + fault.offset, `${input.path}/nlri[${out.length}]`, fault.rfc)
  return out
}

/** The prefix in the cursor. */
export function prefixOf(entry: NlriCursor, family: Family): IpPrefix {
  const address = family.afi === AFI.ipv6 ? IpAddress.v6(entry.w0, entry.w1, entry.w2, entry.w3) : IpAddress.v4(entry.w0)
  return IpPrefix.of(address, entry.length)
}

/** The labels of the entry, top first. */
export function labelsOf(entry: NlriCursor, field: Uint8Array, mode: NlriMode): number[] {
  if (entry.labelCount === 1) return [entry.label]
  const labels: number[] = []
  const from = entry.start + (mode.addPath ? 5 : 1)
  for (let at = from; at < from + entry.labelCount * 3; at += 3)
    labels.push((field[at] << 12) | (field[at + 1] << 4) | (field[at + 2] >>> 4))
  return labels
}

/** Writes the path identifier where the mode has one; 0 for an entry without. */
export function writePathId(out: ByteWriter, nlri: { readonly pathId?: number }, mode: NlriMode): void {
  if (mode.addPath) out.u32(nlri.pathId ?? 0)
}

/** The labels that are written: none on a withdrawal where the first of several would be read as none, and the others as a prefix (RFC 8277 §2.4). */
export function writtenLabels(labels: readonly number[], { withdraw }: NlriMode): readonly number[] {
  return withdraw && labels.length > 1 && (labels[0] << 4 === 0 || labels[0] << 4 === NO_LABEL) ? [] : labels
}

/** Octets of a label stack on the wire. */
export function labelBits(labels: readonly number[]): number {
  return Math.max(1, labels.length) * 24
}

/** The length octet: all bits of an entry. @throws ValueError `bgp.nlri.length` when the label stack is too deep for it */
export function lengthField(bits: number): number {
  if (bits > 255) throw new ValueError('bgp.nlri.length', `${bits} bits`, 'an entry of at most 255 bits')
  return bits
}

/** Writes labels, the last one marked; none becomes the withdrawn label. @throws ValueError `bgp.nlri.label` */
export function writeLabels(out: ByteWriter, labels: readonly number[], mode: NlriMode): void {
  if (labels.length === 0) {
    if (!mode.withdraw) throw new ValueError('bgp.nlri.label', 'no label', 'at least one label on an announced route')
    out.u24(NO_LABEL)
  }
  labels.forEach((label, depth) => {
    if (!(label >= 0 && label <= 0xf_ffff)) throw new ValueError('bgp.nlri.label', String(label), 'a label of 0–1,048,575')
    out.u24((label << 4) | (depth === labels.length - 1 ? 1 : 0))
  })
}

/** Writes as many octets of the prefix as its length needs. @throws ValueError `bgp.nlri.family` when it is of the other IP version */
export function writePrefix(out: ByteWriter, prefix: IpPrefix, family: Family): void {
  const { address, length } = prefix
  if ((address.family === 6) !== (family.afi === AFI.ipv6))
    throw new ValueError('bgp.nlri.family', prefix.toString(), `a prefix of ${family.name}`)
  const octets = (length + 7) >>> 3
  if (octets === 4) out.u32(address.w0)
  else out.octets(address.toBytes().subarray(0, octets))
}
