/* What the threads of `shared-routes.test.ts` agree on. */

/** Tables that are written and read. */
export const VRFS = 2

/** Words of `control`: a call of the writer, the last one that the reader heard, look-ups, wrong answers, and whether the reader is to end. */
export const [CALLED, HEARD, LOOKUPS, WRONG, ENDED] = [0, 1, 2, 3, 4]

export interface ReaderStart {
  readonly control: Int32Array
  /** Of every prefix that may be there. */
  readonly addresses: Uint32Array
  readonly lengths: Uint8Array
}
