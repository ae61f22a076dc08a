import type { CodecFault } from '../codec-fault.js'

/** A packet of a capture. */
export interface CapturedPacket {
  /** LINKTYPE of its interface (tcpdump.org/linktypes): what its first octets are. */
  readonly linkType: number
  /** Microseconds since 1970. */
  readonly time: number
  /** As many octets as were captured; a view of what was pushed. */
  readonly bytes: Uint8Array
  /** Octets that the packet had. */
  readonly length: number
}

/** A packet, or what is wrong with the file. */
export type CaptureResult = { readonly ok: true; readonly packet: CapturedPacket } | { readonly ok: false; readonly error: CodecFault }

/** Reads the blocks or records of one file format from pieces of it. */
export interface CaptureFormat {
  /**
   * The size of the block that begins at `bytes`, or `undefined` while there are too few octets to tell; a fault where no block can begin.
   */
  size(bytes: Uint8Array): number | CodecFault | undefined
  /** What a whole block says; nothing for most. */
  read(bytes: Uint8Array): CaptureResult | undefined
}

/** A fault of a capture file. */
export function captureFault(code: string, offset: number, rfc: string): CodecFault {
  return { code, offset, path: 'capture', rfc }
}
