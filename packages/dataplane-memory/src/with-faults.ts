import {
  NO_GROUP,
  RouteBatch,
  type ApplyFailure,
  type ApplyReport,
  type Dataplane,
  type FibTransaction,
  type ObjectKind,
} from '@heddle/core'
import type { Clock, Random } from '@heddle/io'

/** What goes wrong, and how often. */
export interface Faults {
  /** Seeded, so that a run can be repeated. */
  readonly random: Random
  /** Share of routes of a transaction that the device refuses, 0–1; each keeps its old state and is named in the report as `dataplane.injected`. */
  readonly routeRefusals?: number
  /** Share of transactions that are refused whole, 0–1. */
  readonly refusals?: number
  /** Longest delay before a transaction is applied, milliseconds; needs `clock`. */
  readonly maxDelay?: number
  readonly clock?: Clock
}

/** The code that injected failures have in reports. */
export const INJECTED = 'dataplane.injected'

/**
 * Makes a dataplane misbehave within its contract: reports stay true, so that whoever drives it can be tested for retrying and for never believing
 * more than the report says. Transactions are still applied one after another, in the order of the calls.
 */
export function withFaults(dataplane: Dataplane, faults: Faults): Dataplane {
  const { random, routeRefusals = 0, refusals = 0, maxDelay = 0, clock } = faults
  const happens = (share: number): boolean => random.uint32() / 0x1_0000_0000 < share
  let last: Promise<unknown> = Promise.resolve()

  async function apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    if (clock !== undefined && maxDelay > 0) await delay(clock, (random.uint32() / 0x1_0000_0000) * maxDelay)
    const { generation } = transaction
    if (happens(refusals)) return { status: 'refused', generation, failures: [injected('route', 'all', 'the whole transaction')] }
    const { kept, failures } = splitRoutes(transaction.routes, () => happens(routeRefusals))
    const report = await dataplane.apply({ ...transaction, routes: kept }, signal)
    return report.status === 'refused' ? report : { ...report, failures: [...report.failures, ...failures] }
  }

  return {
    capabilities: dataplane.capabilities,
    events: dataplane.events,
    apply: (transaction, signal) => {
      const next = last.then(() => apply(transaction, signal))
      last = next.catch(() => undefined)
      return next
    },
    dump: () => dataplane.dump(),
    attachPort: (port, device) => dataplane.attachPort(port, device),
    detachPort: (port) => dataplane.detachPort(port),
    counters: () => dataplane.counters(),
    close: (options) => dataplane.close(options),
  }
}

/** Takes refused rows out. A removal is never refused: what it would leave behind could refer to objects that the transaction removes. */
function splitRoutes(routes: RouteBatch, isRefused: () => boolean): { kept: RouteBatch; failures: ApplyFailure[] } {
  const kept = new RouteBatch(routes.count)
  const failures: ApplyFailure[] = []
  for (let row = 0; row < routes.count; row++) {
    const name = `${routes.vrf[row]} ${routes.prefixAt(row)}`
    if (routes.group[row] !== NO_GROUP && isRefused()) failures.push(injected('route', name, name))
    else kept.push(routes.vrf[row], routes.prefixAt(row), routes.group[row])
  }
  return { kept, failures }
}

function injected(kind: ObjectKind, key: string, what: string): ApplyFailure {
  return { object: { kind, key }, code: INJECTED, message: `${what} was refused by an injected fault` }
}

function delay(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(milliseconds, resolve))
}
