import type { CounterSnapshot, FibTransaction } from '@heddle/core'
import type { TunDevice } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'

/** What packets go through: one lane on the thread of the forwarder, or several on threads of their own. */
export interface Lanes {
  /**
   * Programs a transaction that was found valid, in every lane, between two batches.
   *
   * @param commit called once: programs it where it was judged, its routes included
   */
  program(transaction: FibTransaction, commit: () => void): Promise<void>
  /**
   * Packets to `port` leave by `device`, and those that are read from it come from `port`.
   *
   * @param gone called once when the device is there no more
   */
  addPort(port: number, device: TunDevice, gone: (reason: string) => void): Promise<void>
  /** No packet touches the port's device any more; it may be closed. */
  removePort(port: number): Promise<void>
  setUnderlayMtu(octets: number): void
  /** @param octets undefined: what the underlay takes */
  setPathMtu(remote: IpAddress, octets: number | undefined): void
  setLiveness(id: number, isUp: boolean): void
  counters(): Promise<CounterSnapshot>
  /** Counts on from what another forwarder had counted of the same objects. */
  addCounters(counted: CounterSnapshot): Promise<void>
  /** Reads no packets until `resume`; those that were read are sent. Others wait where they are. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Reads no more packets; those that were read are sent. */
  close(): Promise<void>
}
