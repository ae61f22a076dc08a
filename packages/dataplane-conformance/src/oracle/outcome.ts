import type { DropReason, Encapsulation } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** Something that may become of a packet; `remember` is to be called if it did, and only then. */
export type Outcome = Result & { readonly remember?: () => void }

/** What can be seen of an outcome. */
export type Result =
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
  /** The packet was cut; each part has the same way. */
  | { readonly type: 'cut'; readonly parts: readonly Outcome[] }

export function dropped(reason: DropReason): Outcome[] {
  return [{ type: 'dropped', reason }]
}
