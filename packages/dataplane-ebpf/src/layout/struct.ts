/** Kinds of numbers; all little-endian. */
export type Scalar = 'u8' | 'u32' | 'u64'

/** A field: a number, or an array of numbers or structures. */
export type FieldType = Scalar | readonly [Scalar | Struct, number]

/** Where a field lies. */
export interface Field {
  readonly offset: number
  /** Octets of one element. */
  readonly size: number
  readonly count: number
  readonly type: Scalar | Struct
}

const SIZES = { u8: 1, u32: 4, u64: 8 } as const

/** Layout of a structure of `bpf/layout/`: fields in order, none with padding. */
export class Struct<Name extends string = string> {
  readonly size: number
  readonly fields: ReadonlyMap<string, Field>

  /** @param name as in C */
  constructor(
    readonly name: string,
    fields: Readonly<Record<Name, FieldType>>,
  ) {
    const placed = new Map<string, Field>()
    let offset = 0
    for (const [field, definition] of Object.entries<FieldType>(fields)) {
      const [type, count] = typeof definition === 'string' ? [definition, 1] : definition
      const size = typeof type === 'string' ? SIZES[type] : type.size
      placed.set(field, { offset, size, count, type })
      offset += size * count
    }
    this.fields = placed
    this.size = offset
  }

  /** Offset of an element of a field. */
  offsetOf(name: Name, index = 0): number {
    const { offset, size } = this.fields.get(name) as Field
    return offset + size * index
  }
}

/** A structure in memory: its fields by name. */
export class View<Name extends string> {
  readonly #view: DataView

  constructor(
    readonly struct: Struct<Name>,
    readonly bytes: Uint8Array = new Uint8Array(struct.size),
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get(name: Name, index = 0): number {
    return this.#view.getUint32(this.struct.offsetOf(name, index), true)
  }

  set(name: Name, value: number, index = 0): this {
    this.#view.setUint32(this.struct.offsetOf(name, index), value, true)
    return this
  }

  getLarge(name: Name): number {
    return Number(this.#view.getBigUint64(this.struct.offsetOf(name), true))
  }

  setLarge(name: Name, value: number | bigint): this {
    this.#view.setBigUint64(this.struct.offsetOf(name), BigInt(value), true)
    return this
  }

  /** Four words of an address, an IPv4 address in the first. */
  setAddress(name: Name, { w0, w1, w2, w3 }: Words): this {
    return this.set(name, w0, 0).set(name, w1, 1).set(name, w2, 2).set(name, w3, 3)
  }

  /** Octets of a field, a view of this structure's. */
  octets(name: Name): Uint8Array {
    const { offset, size, count } = this.struct.fields.get(name) as Field
    return this.bytes.subarray(offset, offset + size * count)
  }

  /** An element of an array of structures. */
  element<Inner extends string>(name: Name, inner: Struct<Inner>, index: number): View<Inner> {
    const offset = this.struct.offsetOf(name, index)
    return new View(inner, this.bytes.subarray(offset, offset + inner.size))
  }
}

/** An address as words; every `IpAddress` is one. */
export interface Words {
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}
