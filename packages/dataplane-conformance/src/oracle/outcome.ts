import type { DropReason, Encapsulation } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** Something that may become of a packet. */
export type Outcome =
  | { readonly type: 'delivered'; readonly port: number; readonly packet: Uint8Array }
  | {
      readonly type: 'sent'
      readonly encapsulation: Encapsulation
      readonly source: IpAddress
      readonly destination: IpAddress
      /** Behind the outer IP and UDP headers. */
      readonly packet: Uint8Array
    }
  | { readonly type: 'dropped'; readonly reason: DropReason }

export function dropped(reason: DropReason): Outcome[] {
  return [{ type: 'dropped', reason }]
}
