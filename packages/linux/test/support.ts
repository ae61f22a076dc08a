import { readdirSync } from 'node:fs'
import { afterAll } from 'vitest'
import { nativeAvailability, NetworkNamespace } from '../src/index.js'

/** Why tests that need the kernel cannot run here; empty when they can. */
export const missing = reason()

/** For the title of a suite: says why it does not run. */
export const because = missing === '' ? '' : ` (not run: ${missing})`

function reason(): string {
  const availability = nativeAvailability()
  if (!availability.available) return availability.reason
  return process.getuid?.() === 0 ? '' : 'needs root'
}

let made = 0

/** Makes namespaces for the tests of one file and deletes them behind the last, whatever came between. */
export function namespaces(): { create(): Promise<NetworkNamespace> } {
  const all: NetworkNamespace[] = []
  const clean = async (): Promise<void> => {
    for (const namespace of all.splice(0)) await namespace[Symbol.asyncDispose]()
  }
  afterAll(clean)
  return {
    async create() {
      const namespace = await NetworkNamespace.create(`hdl-test-${process.pid}-${Math.random().toString(36).slice(2, 6)}${made++}`)
      all.push(namespace)
      return namespace
    },
  }
}

/** Open descriptors of this process. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** Threads of this process. */
export function threads(): number {
  return readdirSync('/proc/self/task').length
}

/** Calls `attempt` until it answers something other than undefined. */
export async function eventually<T>(what: string, attempt: () => T | undefined | Promise<T | undefined>, milliseconds = 5_000): Promise<T> {
  const end = performance.now() + milliseconds
  for (;;) {
    const result = await attempt()
    if (result !== undefined) return result
    if (performance.now() > end) throw new RangeError(`${what} did not happen within ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
