export type ProtocolErrorCode = 'protocol.frame-too-long' | 'protocol.frame-malformed' | 'protocol.message-malformed'

/** Why octets on the forwarder's socket are not a message; the connection they came on is closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'

  constructor(
    readonly code: ProtocolErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
