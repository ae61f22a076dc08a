import { native } from './load.js'
import { NativeUnavailableError } from './unavailable-error.js'

/** Whether the native part can be used here, and if not, why. */
export type NativeAvailability =
  | { readonly available: true }
  | {
      readonly available: false
      /** What is missing and the way out, in one line. */
      readonly reason: string
      readonly error: NativeUnavailableError
    }

/** Tries to load the native part. */
export function nativeAvailability(): NativeAvailability {
  try {
    native()
    return { available: true }
  } catch (error) {
    if (error instanceof NativeUnavailableError) return { available: false, reason: error.message, error }
    throw error
  }
}
