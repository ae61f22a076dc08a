/** What a plugin tells a runtime when it refuses: the one error of the protocol. */
export class CniError extends Error {
  override readonly name = 'CniError'

  constructor(
    /** One of `CNI_CODES`, or what a delegated plugin gave. */
    readonly code: number,
    /** One sentence that names the culprit. */
    message: string,
    /** What helps to find the reason; empty when `message` says it all. */
    readonly details = '',
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
