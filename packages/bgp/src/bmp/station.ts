import { joined } from '../joined.js'
import { negotiate } from '../capability/negotiate.js'
import type { CodecFault } from '../codec-fault.js'
import { decodeMessage } from '../decode.js'
import type { OpenMessage } from '../message/message.js'
import type { DecodeOptions } from '../message/options.js'
import type { DecodeResult } from '../message/result.js'
import { decodeBmp, readBmpHeader } from './codec.js'
import type { BmpMessage, BmpPeerUp, BmpRouteMonitoring } from './message.js'
import { hasTwoOctetAs, isAdjRibOut, isLocRib, type BmpPeer } from './peer.js'

/** What the BGP session of a peer negotiated, for each direction of its routes. */
interface PeerOptions {
  readonly received: DecodeOptions
  readonly sent: DecodeOptions
}

/** A message with the BGP message that it carries, read as the session of its peer has it. */
export interface BmpItem {
  readonly message: BmpMessage
  /** Of route monitoring only. */
  readonly update?: DecodeResult
}

/** Largest message that a stream may hold; a longer one is no message but a stream out of step. */
const MAX_MESSAGE = 1 << 20

/** Reads the BGP message of route monitoring. @param options what the session negotiated beside the width of AS numbers */
export function bmpMessage({ peer, pdu }: BmpRouteMonitoring, options: DecodeOptions = {}): DecodeResult {
  return decodeMessage(pdu, { peerType: 'ibgp', ...options, asn4: !hasTwoOctetAs(peer), table: isLocRib(peer) })
}

/**
 * The receiving end of a BMP session: octets in, messages out. It learns from each peer up what the peer's routes look like (ADD-PATH), so
 * that those that follow can be read.
 */
export class BmpStation {
  #rest: Uint8Array = new Uint8Array()
  #fault: CodecFault | undefined
  readonly #peers = new Map<string, PeerOptions>()

  /** Octets that wait for the rest of their message. */
  get pending(): number {
    return this.#rest.length
  }

  /**
   * Takes octets of the stream; returns the messages that they complete. A message that is malformed is an error of its own; a header that
   * is ends the stream, since where the next one begins nobody can tell.
   */
  push(chunk: Uint8Array): (BmpItem | { readonly error: CodecFault })[] {
    const out: (BmpItem | { readonly error: CodecFault })[] = []
    if (this.#fault !== undefined) return out
    let bytes = joined(this.#rest, chunk)
    for (;;) {
      const head = readBmpHeader(bytes)
      if (head === undefined) break
      if (!head.ok || head.length > MAX_MESSAGE) {
        this.#fault = head.ok ? { code: 'bmp.length', offset: 1, path: 'bmp', rfc: 'RFC 7854 §4.1' } : head.error
        out.push({ error: this.#fault })
        bytes = new Uint8Array()
        break
      }
      if (bytes.length < head.length) break
      const result = decodeBmp(bytes.subarray(0, head.length))
      out.push(result.ok ? this.take(result.message) : { error: result.error })
      bytes = bytes.subarray(head.length)
    }
    this.#rest = bytes.slice()
    return out
  }

  /** A message in its turn: learns from peer up, forgets at peer down, reads route monitoring. */
  take(message: BmpMessage): BmpItem {
    switch (message.type) {
      case 'peer-up': {
        const options = optionsOf(message)
        if (options === undefined) this.#peers.delete(keyOf(message.peer))
        else this.#peers.set(keyOf(message.peer), options)
        return { message }
      }
      case 'peer-down':
        this.#peers.delete(keyOf(message.peer))
        return { message }
      case 'route-monitoring': {
        const options = this.#peers.get(keyOf(message.peer))
        return { message, update: bmpMessage(message, isAdjRibOut(message.peer) ? options?.sent : options?.received) }
      }
      default:
        return { message }
    }
  }
}

/** A peer of one table is known by its type, distinguisher and address (RFC 7854 §4.2). */
function keyOf({ peerType, distinguisher, address }: BmpPeer): string {
  return `${peerType} ${distinguisher} ${address}`
}

function optionsOf({ sentOpen, receivedOpen }: BmpPeerUp): PeerOptions | undefined {
  const [sent, received] = [openOf(sentOpen), openOf(receivedOpen)]
  if (sent === undefined || received === undefined) return undefined
  const { peerType, addPath } = negotiate(sent, received)
  return { received: { peerType, addPath: addPath.receive }, sent: { peerType, addPath: addPath.send } }
}

function openOf(pdu: Uint8Array): OpenMessage | undefined {
  const result = decodeMessage(pdu)
  return result.ok && result.message.type === 'open' ? result.message : undefined
}
