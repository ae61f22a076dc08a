/** NLRI of a family that is not taken apart: all octets of the field, as they came. */
export interface RawNlri {
  readonly kind: 'raw'
  readonly bytes: Uint8Array
  readonly pathId?: number
}
