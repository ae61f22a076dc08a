import type { Speaker } from '@heddle/bgp'

/** A message of one session. */
export interface TraceRow {
  readonly neighbor: string
  readonly as: number
  /** Ours in the session; null where it is not known. */
  readonly localAddress: string | null
  readonly direction: 'sent' | 'received'
  /** Milliseconds since 1970. */
  readonly time: number
  /** The message, header included. */
  readonly hex: string
}

/** Messages that may wait for who reads; beyond that the oldest are left out. */
const MOST_WAITING = 4096

/**
 * Messages to and from a neighbor as they go, until the signal ends it.
 *
 * @throws SpeakerError `speaker.neighbor-unknown`
 */
export async function* traceRows(
  speaker: Speaker,
  peer: string,
  signal: AbortSignal,
): AsyncGenerator<TraceRow | { readonly lost: number }> {
  let waiting: TraceRow[] = []
  let lost = 0
  let wake: (() => void) | undefined
  const as = speaker.neighbors().find(({ address }) => address === peer)?.as ?? 0
  const localAddress = (): string | null => String(speaker.neighbors().find(({ address }) => address === peer)?.localAddress ?? '') || null
  const stop = speaker.trace(peer, ({ neighbor, direction, message }) => {
    if (waiting.length >= MOST_WAITING) lost++
    else {
      const hex = Buffer.from(message.buffer, message.byteOffset, message.length).toString('hex')
      waiting.push({ neighbor, as, localAddress: localAddress(), direction, time: Date.now(), hex })
    }
    wake?.()
  })
  const end = (): void => wake?.()
  signal.addEventListener('abort', end)
  try {
    while (!signal.aborted) {
      const rows = waiting
      waiting = []
      yield* rows
      if (lost > 0) {
        yield { lost }
        lost = 0
      }
      if (waiting.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    signal.removeEventListener('abort', end)
    stop()
  }
}
