import type { EndpointIntent } from '../intent/intents.js'
import type { VrfState } from './vrf-state.js'

/** An endpoint with what was allocated for it. */
export class EndpointState {
  /** Whether its device is there; before, its routes are not told to anyone. */
  attached = false

  constructor(
    readonly port: number,
    readonly label: number,
    readonly vrf: VrfState,
    readonly intent: EndpointIntent,
  ) {}
}

/** Names an endpoint on this node. */
export function endpointName({ netns, ifname }: Pick<EndpointIntent, 'netns' | 'ifname'>): string {
  return `${netns} ${ifname}`
}
