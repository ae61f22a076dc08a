import { call } from './native/call.js'

/** Where a train lies, see `TUN_DESCRIPTOR`. */
export interface TrainWords {
  /** Octets from the start of the buffer to the train, or to what stands before its IP header. */
  readonly offset: number
  readonly length: number
  readonly headers: number
  readonly size: number
  readonly stride: number
}

/**
 * Writes the packets of a train one behind the other.
 *
 * @param inner octets from `train.offset` to the IP header: they are put before each packet
 * @param room where in `buffer` they are written: behind the train
 * @param headroom free octets before each
 * @param places two words a packet: offset and length; at least 5
 * @returns number of packets
 * @throws LinuxError `EINVAL` when it is no train, or there is no room for its packets or their places
 */
export function splitTrain(
  buffer: Uint8Array,
  { offset, length, headers, size, stride }: TrainWords,
  inner: number,
  room: number,
  headroom: number,
  places: Uint32Array,
): number {
  places.set([offset, length, headers, size, stride])
  return call((native) => native.trainSplit(buffer, inner, room, headroom, places))
}
