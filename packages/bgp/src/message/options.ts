/** What a decoder must know of the session. */
export interface DecodeOptions {
  /** AS_PATH and AGGREGATOR have four-octet AS numbers (RFC 6793). Default `true`. */
  readonly asn4?: boolean
  /** `familyKey`s in which received NLRI carry path identifiers (RFC 7911), or `all`. Default none. */
  readonly addPath?: ReadonlySet<number> | 'all'
  /** Whether the peer is in our AS (or confederation). Default `ebgp`. */
  readonly peerType?: 'ibgp' | 'ebgp'
  /** Messages of up to 65,535 octets are allowed (RFC 8654). Default `true`. */
  readonly extended?: boolean
  /**
   * The routes are those of a table and not of a session: NEXT_HOP may be 0.0.0.0, which several speakers have there for what they originate
   * (RFC 9069 §3). Default `false`: no peer may say so (RFC 4271 §6.3).
   */
  readonly table?: boolean
}

/** What an encoder must know of the session. */
export interface EncodeOptions {
  /** The peer reads four-octet AS numbers (RFC 6793). Default `true`. */
  readonly asn4?: boolean
  /** `familyKey`s in which sent NLRI carry path identifiers (RFC 7911), or `all`. Default none. */
  readonly addPath?: ReadonlySet<number> | 'all'
  /** Messages of up to 65,535 octets are allowed (RFC 8654). Default `false`: what is sent must suit anyone. */
  readonly extended?: boolean
}

/** Whether NLRI of the family with `key` carry path identifiers. */
export function usesPathIds(options: { readonly addPath?: ReadonlySet<number> | 'all' }, key: number): boolean {
  return options.addPath !== undefined && (options.addPath === 'all' || options.addPath.has(key))
}
