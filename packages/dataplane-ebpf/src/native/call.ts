import { LinuxError } from '@heddle/linux'
import { native, type Native } from './load.js'

/** Between the parts of an error: code, number, operation, detail. The binding has no other place for them. */
const SEPARATOR = '\u0001'

/**
 * Calls the native part.
 *
 * @throws LinuxError when the kernel refuses; DataplaneError `dataplane.device` when there is no native part
 */
export function call<T>(work: (native: Native) => T): T {
  const binding = native()
  try {
    return work(binding)
  } catch (error) {
    throw toLinuxError(error)
  }
}

/** Calls the native part and awaits the answer. @throws LinuxError, DataplaneError as `call` */
export async function callAsync<T>(work: (native: Native) => Promise<T>): Promise<T> {
  const binding = native()
  try {
    return await work(binding)
  } catch (error) {
    throw toLinuxError(error)
  }
}

/** Anything that is not one of the binding's errors (a wrong argument type, say) stays as it is. */
function toLinuxError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const [code, errno, operation, detail] = error.message.split(SEPARATOR)
  if (code === undefined || errno === undefined || operation === undefined || detail === undefined) return error
  return new LinuxError(code, Number(errno), operation, detail.replace(/ \(os error \d+\)$/, ''))
}
