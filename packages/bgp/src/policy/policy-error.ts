/** What is wrong with a policy. */
export type PolicyErrorCode = 'policy.value' | 'policy.syntax'

/** Why a policy cannot be used. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'

  constructor(
    readonly code: PolicyErrorCode,
    /** Where: `terms[2].match.prefix[0]`, or `line 7`. */
    readonly subject: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${subject}: ${message} (${code})`, options)
  }
}
