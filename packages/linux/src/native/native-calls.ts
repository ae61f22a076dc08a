import { LinuxError } from '../linux-error.js'

/** Between the parts of an error: code, number, operation, detail. The binding has no other place for them in a rejected promise. */
const SEPARATOR = '\u0001'

/** Ways to call a native part; what it throws, or rejects with, comes out as `LinuxError`. */
export interface NativeCalls<Native> {
  readonly call: <T>(work: (native: Native) => T) => T
  readonly callAsync: <T>(work: (native: Native) => Promise<T>) => Promise<T>
}

/** For packages with a native part of their own, whose errors are those of `heddle-binding`. @param load throws when there is none */
export function nativeCalls<Native>(load: () => Native): NativeCalls<Native> {
  return {
    call(work) {
      const binding = load()
      try {
        return work(binding)
      } catch (error) {
        throw toLinuxError(error)
      }
    },
    async callAsync(work) {
      const binding = load()
      try {
        return await work(binding)
      } catch (error) {
        throw toLinuxError(error)
      }
    },
  }
}

/** Anything that is not one of the binding's errors (a wrong argument type, say) stays as it is. */
function toLinuxError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const [code, errno, operation, detail] = error.message.split(SEPARATOR)
  if (code === undefined || errno === undefined || operation === undefined || detail === undefined) return error
  return new LinuxError(code, Number(errno), operation, detail.replace(/ \(os error \d+\)$/, ''))
}
