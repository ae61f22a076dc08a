import type { IpAddress } from '@heddle/wire'

/** What becomes known of the other end of a link. */
export type RouterNews =
  /** A router has advertised itself: it is new, or not the one that was told last. */
  | { readonly kind: 'router'; readonly address: IpAddress }
  /** The link cannot be listened on, for now. */
  | { readonly kind: 'fault'; readonly message: string }

/** Where one learns who is the router at the other end of a link, whose address nobody has configured (RFC 4861 §6). Injected. */
export interface RouterDiscovery {
  /**
   * Advertises us as a router on a device, so that the other end learns of us too, and listens who else does, until `stop`. A device that is not
   * there is waited for.
   *
   * @param device by its name
   * @param told gets link-local addresses
   */
  watch(device: string, told: (news: RouterNews) => void): RouterWatch
}

/** A link that is watched; ends with `stop`. */
export interface RouterWatch {
  /** Idempotent. */
  stop(): void
}
