/** Why the demo could not run or go on. */
export class LabError extends Error {
  override readonly name = 'LabError'

  constructor(
    /** Stable and machine-readable, e.g. `lab.requirements`. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
