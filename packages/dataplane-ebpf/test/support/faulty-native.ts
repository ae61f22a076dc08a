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

const NONE = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] as const

/** The calls of the native parts, of which one can be had to fail as if the kernel had refused it. */
export class FaultyNative {
  /** Names of the calls since the last `begin`. */
  readonly calls: string[] = []
  #fails: readonly [first: number, last: number] = NONE
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

  /** Has calls fail, by their numbers from now on, from 0 up; none when left out. */
  begin(fails: readonly [first: number, last: number] = NONE): void {
    this.calls.length = 0
    this.#fails = fails
    this.#isOn = true
  }

  end(): void {
    this.#isOn = false
  }

  #spoil(of: Record<string, unknown>, name: string): void {
    const { value: original } = Object.getOwnPropertyDescriptor(of, name) ?? {}
    if (SPARED.has(name) || typeof original !== 'function') return
    const passed = (...args: readonly unknown[]): void => {
      if (!this.#isOn) return
      this.calls.push(typeof args[0] === 'string' ? `${name} ${args[0]}` : name)
      const number = this.calls.length - 1
      // As the native parts say it.
      if (number >= this.#fails[0] && number <= this.#fails[1])
        throw new Error(['ENOMEM', 12, name, 'Cannot allocate memory (os error 12)'].join('\u0001'))
    }
    vi.spyOn(of as Record<string, () => unknown>, name).mockImplementation(function (this: unknown, ...args: readonly unknown[]) {
      passed(...args)
      return Reflect.apply(original, this, args) as unknown
    })
  }
}
