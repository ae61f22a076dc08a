/** What a decoder promises and does not keep. */
export class UnmetError extends Error {
  override readonly name = 'UnmetError'
}
