import type { DataplaneCapabilities, DataplaneState } from '@heddle/core'
import { ForwardingEngine } from './engine.js'
import type { Explanation, PacketInput } from './explain.js'

/** What the adapter that the tables came from can do. */
export interface ExplainOptions {
  readonly capabilities: Pick<DataplaneCapabilities, 'limits' | 'encapsulations' | 'features'>
  /** Largest packet that the underlay takes, outer headers included; 1,500 by default. */
  readonly underlayMtu?: number
}

/**
 * Tells what a dataplane does with a packet, from what its `dump()` returned: what is programmed, not what was meant. Works for every adapter, in
 * this process or not.
 */
export function explain(state: DataplaneState, input: PacketInput, { capabilities, underlayMtu }: ExplainOptions): Explanation {
  const attached = new Set(state.devices.map(({ port }) => port))
  const engine = new ForwardingEngine({
    limits: capabilities.limits,
    encapsulations: capabilities.encapsulations,
    features: capabilities.features ?? [],
    ...(underlayMtu !== undefined && { underlayMtu }),
    hasDevice: (port) => attached.has(port),
  })
  engine.load(state)
  return engine.explain(input)
}
