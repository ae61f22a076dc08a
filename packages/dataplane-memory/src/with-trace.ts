import type { ApplyReport, CounterSnapshot, Dataplane, DataplaneState, DeviceFacts, DeviceRequest, FibTransaction } from '@heddle/core'

/** One call of a dataplane, and how it ended. */
export type DataplaneCall =
  | { readonly method: 'apply'; readonly transaction: FibTransaction; readonly outcome: Outcome<ApplyReport> }
  | { readonly method: 'attachPort'; readonly port: number; readonly device: DeviceRequest; readonly outcome: Outcome<DeviceFacts> }
  | { readonly method: 'detachPort'; readonly port: number; readonly outcome: Outcome<void> }
  | { readonly method: 'dump'; readonly outcome: Outcome<DataplaneState> }
  | { readonly method: 'counters'; readonly outcome: Outcome<CounterSnapshot> }
  | { readonly method: 'close'; readonly outcome: Outcome<void> }

/** How a call ended. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/** Puts an observer around a dataplane: `trace` gets each call once it has ended. Calls behave as without it. */
export function withTrace(dataplane: Dataplane, trace: (call: DataplaneCall) => void): Dataplane {
  async function watched<T>(work: Promise<T>, callOf: (outcome: Outcome<T>) => DataplaneCall): Promise<T> {
    try {
      const value = await work
      trace(callOf({ ok: true, value }))
      return value
    } catch (error) {
      trace(callOf({ ok: false, error }))
      throw error
    }
  }
  return {
    capabilities: dataplane.capabilities,
    events: dataplane.events,
    apply: (transaction, signal) => watched(dataplane.apply(transaction, signal), (outcome) => ({ method: 'apply', transaction, outcome })),
    dump: () => watched(dataplane.dump(), (outcome) => ({ method: 'dump', outcome })),
    attachPort: (port, device) =>
      watched(dataplane.attachPort(port, device), (outcome) => ({ method: 'attachPort', port, device, outcome })),
    detachPort: (port) => watched(dataplane.detachPort(port), (outcome) => ({ method: 'detachPort', port, outcome })),
    counters: () => watched(dataplane.counters(), (outcome) => ({ method: 'counters', outcome })),
    close: (options) => watched(dataplane.close(options), (outcome) => ({ method: 'close', outcome })),
  }
}
