/** What a speaker refuses. */
export type SpeakerErrorCode =
  | 'speaker.config'
  | 'speaker.listen'
  | 'speaker.neighbor-exists'
  | 'speaker.neighbor-unknown'
  | 'speaker.route'
  | 'speaker.state'

/** Why the speaker did not do what it was asked for; nothing was applied. */
export class SpeakerError extends Error {
  override readonly name = 'SpeakerError'

  constructor(
    readonly code: SpeakerErrorCode,
    /** What it is about: `neighbors[2].as`, `127.0.0.1 port 179`… */
    readonly subject: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${subject}: ${message} (${code})`, options)
  }
}
