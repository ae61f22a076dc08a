/** What the kernel refused, or what was asked wrongly (then with `EINVAL`, as the kernel would say). */
export class LinuxError extends Error {
  override readonly name: string = 'LinuxError'

  constructor(
    /** Name of the error number, e.g. `ENOENT`, `EPERM`, `EEXIST`; `EUNKNOWN` for one without a name. */
    readonly code: string,
    /** Positive error number. */
    readonly errno: number,
    /** What was tried, and on what, e.g. `delete link 'eth0'`. */
    readonly operation: string,
    /** What is wrong, in words. */
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`${operation}: ${detail} (${code})`, options)
  }
}

/** A feature that this kernel does not have. */
export class UnsupportedError extends LinuxError {
  override readonly name: string = 'UnsupportedError'

  constructor(
    /** Name of the feature, e.g. `TCP_MD5SIG`. */
    readonly feature: string,
    /** First kernel release that has it, where it is compiled in, e.g. `2.6.20`. */
    readonly minimumKernel: string,
    cause: LinuxError,
  ) {
    const detail = `this kernel lacks ${feature} (since Linux ${minimumKernel}, where compiled in): ${cause.detail}`
    super(cause.code, cause.errno, cause.operation, detail, { cause })
  }
}
