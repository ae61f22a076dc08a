import type { DropReason } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import type { WireEncapsulation } from '../harness.js'
import type { Memory } from './memory.js'

/** Something that may become of a packet, and what is remembered if it did: what was before, when left out. */
export type Outcome = Result & { readonly memory?: Memory }

/** What can be seen of an outcome. */
export type Result =
  | { readonly type: 'delivered'; readonly port: number; readonly packet: Uint8Array }
  | {
      readonly type: 'sent'
      readonly encapsulation: WireEncapsulation
      readonly source: IpAddress
      readonly destination: IpAddress
      /** Behind the outer IP and UDP headers. */
      readonly packet: Uint8Array
    }
  | { readonly type: 'dropped'; readonly reason: DropReason }
  /** The packet was cut; each part has the same way. */
  | { readonly type: 'cut'; readonly parts: readonly Result[] }

export function dropped(reason: DropReason): Outcome[] {
  return [{ type: 'dropped', reason }]
}
