import type { IpAddress } from '@heddle/wire'

/** An endpoint's address in its VRF, and the one that it has on the node. */
export interface NodeAddressPair {
  /** Device of the node in the VRF. */
  readonly device: string
  readonly endpoint: IpAddress
  readonly node: IpAddress
}

/**
 * Translates between the node and endpoints, one address to one address: what leaves through the device to `node` goes to `endpoint`, and what comes
 * in from `endpoint` comes from `node`. What comes in from others is dropped.
 */
export interface NodeTranslator {
  /** Translates these, and nothing else. @throws CniError 106 */
  replace(pairs: readonly NodeAddressPair[], gateways: readonly IpAddress[]): Promise<void>
  /** @throws CniError 106 */
  add(pairs: readonly NodeAddressPair[]): Promise<void>
  /** Of pairs that are translated. @throws CniError 106 */
  remove(pairs: readonly NodeAddressPair[]): Promise<void>
}
