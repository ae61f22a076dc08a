/* The type information of an object file (Documentation/bpf/btf.rst of Linux), as much of it as the layouts need; read independently of the loader. */

/** A structure or enumeration as the compiler laid it out. */
export interface BtfType {
  readonly name: string
  readonly size: number
  /** Of a structure: name and offset in octets. Of an enumeration: name and value. */
  readonly members: readonly (readonly [name: string, value: number])[]
}

const KIND = { struct: 4, union: 5, enumeration: 6 } as const
/** Octets behind the three words of a type, by kind; 0 for those not named. */
const TRAILERS: Readonly<Record<number, (entries: number) => number>> = {
  1: () => 4,
  3: () => 12,
  4: (entries) => entries * 12,
  5: (entries) => entries * 12,
  6: (entries) => entries * 8,
  13: (entries) => entries * 8,
  14: () => 4,
  15: (entries) => entries * 12,
  17: () => 4,
  19: (entries) => entries * 12,
}

/** Structures and enumerations by name. */
export function readBtf(object: Uint8Array): Map<string, BtfType> {
  const section = sectionOf(object, '.BTF')
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength)
  const header = view.getUint32(4, true)
  const [typesAt, typesLength, namesAt] = [8, 12, 16].map((at) => view.getUint32(at, true))
  const nameAt = (offset: number): string => textAt(section, header + namesAt + offset)
  const types = new Map<string, BtfType>()
  const end = header + typesAt + typesLength
  for (let at = header + typesAt; at < end;) {
    const info = view.getUint32(at + 4, true)
    const kind = (info >>> 24) & 0x1f
    const entries = info & 0xffff
    const name = nameAt(view.getUint32(at, true))
    const first = at + 12
    if (kind === KIND.struct && name !== '') {
      const members = Array.from({ length: entries }, (_, index): [string, number] => {
        const member = first + index * 12
        return [nameAt(view.getUint32(member, true)), (view.getUint32(member + 8, true) & 0xffffff) / 8]
      })
      types.set(name, { name, size: view.getUint32(at + 8, true), members })
    } else if (kind === KIND.enumeration && name !== '') {
      const members = Array.from({ length: entries }, (_, index): [string, number] => {
        const member = first + index * 8
        return [nameAt(view.getUint32(member, true)), view.getInt32(member + 4, true)]
      })
      types.set(name, { name, size: 4, members })
    }
    at = first + (TRAILERS[kind]?.(entries) ?? 0)
  }
  return types
}

/** A section of an ELF file of 64 bits. */
function sectionOf(object: Uint8Array, wanted: string): Uint8Array {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength)
  const table = Number(view.getBigUint64(0x28, true))
  const [size, count, names] = [0x3a, 0x3c, 0x3e].map((at) => view.getUint16(at, true))
  const place = (index: number): [number, number] => [
    Number(view.getBigUint64(table + index * size + 0x18, true)),
    Number(view.getBigUint64(table + index * size + 0x20, true)),
  ]
  const [namesAt] = place(names)
  for (let index = 0; index < count; index++) {
    if (textAt(object, namesAt + view.getUint32(table + index * size, true)) !== wanted) continue
    const [at, length] = place(index)
    return object.subarray(at, at + length)
  }
  return new Uint8Array(0)
}

function textAt(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)))
}
