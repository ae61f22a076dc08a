import { vi } from 'vitest'
import { native as linux } from '../../../linux/src/native/load.js'
import { native } from '../../src/native/load.js'

/** What asks the kernel for nothing, or only gives back; or is called when the kernel has something to tell. */
const SPARED: ReadonlySet<string> = new Set([
  'constructor',
  'read',
  'close',
  'release',
  'fd',
  'number',
  'version',
  'errnoName',
  'take',
  'rearm',
  'closed',
])

/** Which calls fail: by their numbers, from 0 up, or the one that is the so-and-so-many-eth of its name, from 0 up. */
export type Fails = readonly [first: number, last: number] | { readonly call: string; readonly occurrence: number }

const NONE: Fails = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]

/** The calls of the native parts, of which one can be had to fail as if the kernel had refused it. */
export class FaultyNative {
  /** Names of the calls since the last `begin`. */
  readonly calls: string[] = []
  #fails: Fails = NONE
  #isOn = false

  constructor() {
    for (const binding of [native(), linux()] as unknown as Record<string, unknown>[]) {
      for (const [name, member] of Object.entries(binding)) {
        if (typeof member !== 'function') continue
        if (!/^[A-Z]/.test(name)) this.#spoil(binding, name)
        else for (const method of Object.getOwnPropertyNames(member.prototype)) this.#spoil(member.prototype as typeof binding, method)
      }
    }
  }

  /** Has calls fail from now on; none when left out. */
  begin(fails: Fails = NONE): void {
    this.calls.length = 0
    this.#fails = fails
    this.#isOn = true
  }

  end(): void {
    this.#isOn = false
  }

  /** Whether the last call is one of those. */
  #isToFail(): boolean {
    const [fails, number] = [this.#fails, this.calls.length - 1]
    if (!('call' in fails)) return number >= fails[0] && number <= fails[1]
    return this.calls[number] === fails.call && this.calls.filter((call) => call === fails.call).length === fails.occurrence + 1
  }

  #spoil(of: Record<string, unknown>, name: string): void {
    const { value: original } = Object.getOwnPropertyDescriptor(of, name) ?? {}
    if (SPARED.has(name) || typeof original !== 'function') return
    const passed = (...args: readonly unknown[]): void => {
      if (!this.#isOn) return
      this.calls.push(typeof args[0] === 'string' ? `${name} ${args[0]}` : name)
      // As the native parts say it.
      if (this.#isToFail()) throw new Error(['ENOMEM', 12, name, 'Cannot allocate memory (os error 12)'].join('\u0001'))
    }
    vi.spyOn(of as Record<string, () => unknown>, name).mockImplementation(function (this: unknown, ...args: readonly unknown[]) {
      passed(...args)
      return Reflect.apply(original, this, args) as unknown
    })
  }
}
