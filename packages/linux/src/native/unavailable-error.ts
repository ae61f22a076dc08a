/** One attempt to load the native part. */
export interface LoadAttempt {
  /** Package or file that was tried. */
  readonly target: string
  /** Why it could not be loaded. */
  readonly reason: string
}

/** The native part of this package cannot be loaded; everything that talks to the kernel throws it, importing the package does not. */
export class NativeUnavailableError extends Error {
  override readonly name = 'NativeUnavailableError'
  readonly code = 'linux.native-unavailable'

  constructor(
    /** Every target that was tried, in order. */
    readonly attempts: readonly LoadAttempt[],
    /** What to do about it. */
    readonly remedy: string,
  ) {
    const tried = attempts.map(({ target, reason }) => `${target}: ${reason}`).join('; ')
    super(`the native part of @heddle/linux is not available (${tried || 'nothing to try'}); ${remedy}`)
  }
}
