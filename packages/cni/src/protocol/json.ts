import { CniError } from './cni-error.js'

/** An object of JSON; its fields are anything. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads fields of JSON and says of the first that is wrong where it is, what was found, and what is allowed. */
export class FieldReader {
  /** @param code of the errors; @param path name of the object inside what was read, for them */
  constructor(
    readonly fields: JsonObject,
    readonly code: number,
    readonly path = '',
  ) {}

  /** A reader of `value`. @throws CniError */
  static of(value: unknown, code: number, path: string): FieldReader {
    if (isObject(value)) return new FieldReader(value, code, path)
    throw new CniError(code, `${path} is ${shown(value)}; allowed: an object`)
  }

  /** Absent when missing, null or empty. */
  text(name: string): string | undefined {
    const value = this.#of(name)
    if (value === undefined || value === '') return undefined
    return typeof value === 'string' ? value : this.fail(name, 'a text')
  }

  /** A whole number of at least `least`. */
  number(name: string, least = 0, most = 0xffff_ffff): number | undefined {
    const value = this.#of(name)
    if (value === undefined) return undefined
    const isRight = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
    return isRight ? value : this.fail(name, `a whole number of ${least}–${most}`)
  }

  boolean(name: string): boolean | undefined {
    const value = this.#of(name)
    if (value === undefined) return undefined
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false')
  }

  /** Empty when missing or null. */
  list(name: string): readonly unknown[] {
    const value = this.#of(name)
    if (value === undefined) return []
    return Array.isArray(value) ? (value as unknown[]) : this.fail(name, 'a list')
  }

  texts(name: string): readonly string[] {
    return this.list(name).map((value, index) => (typeof value === 'string' ? value : this.fail(`${name}[${index}]`, 'a text', value)))
  }

  /** A reader of each element. */
  objects(name: string): readonly FieldReader[] {
    return this.list(name).map((value, index) => FieldReader.of(value, this.code, this.#place(`${name}[${index}]`)))
  }

  /** A reader of a field; absent when missing or null. */
  object(name: string): FieldReader | undefined {
    const value = this.#of(name)
    return value === undefined ? undefined : FieldReader.of(value, this.code, this.#place(name))
  }

  fail(name: string, allowed: string, found: unknown = this.#of(name)): never {
    throw new CniError(this.code, `${this.#place(name)} is ${shown(found)}; allowed: ${allowed}`)
  }

  #of(name: string): unknown {
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined
    return value === null ? undefined : value
  }

  #place(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }
}

/** As JSON, cut where it gets long: messages are read by people. */
function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value)
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}
