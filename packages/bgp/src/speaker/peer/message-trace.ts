/** A message as it went over one session. */
export interface TracedMessage {
  readonly neighbor: string
  readonly direction: 'sent' | 'received'
  /** Milliseconds by the injected clock. */
  readonly at: number
  /** The whole message, header included; a copy. `decodeMessage` reads it. */
  readonly message: Uint8Array
}

/** Is told each message of a neighbor. */
export type MessageTrace = (event: TracedMessage) => void
