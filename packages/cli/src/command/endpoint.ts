import type { EndpointRow } from '@heddle/agent'
import type { NodeChoice } from '../control/find-socket.js'
import type { Output } from '../output/output.js'
import { formatView } from '../output/views.js'
import { UsageError } from '../exit-code.js'
import { ask } from './ask.js'

export interface EndpointAddOptions extends NodeChoice {
  readonly vrf: string
  readonly netns: string
  readonly ifname: string
  readonly address: readonly string[]
  readonly link?: 'ip' | 'ethernet'
  readonly json?: boolean
  /** Bits a second of what the endpoint sends and gets, and octets at once. */
  readonly egressRate?: number
  readonly egressBurst?: number
  readonly ingressRate?: number
  readonly ingressBurst?: number
}

export type EndpointDelOptions = NodeChoice & Pick<EndpointAddOptions, 'netns' | 'ifname' | 'json'>

/** `heddle endpoint add`: returns when the endpoint's device is there and its routes are programmed. */
export async function endpointAdd(options: EndpointAddOptions, output: Output): Promise<void> {
  const { vrf, netns, ifname, address: addresses, link = 'ip' } = options
  const rateLimits = { ...limitOf('egress', options), ...limitOf('ingress', options) }
  const limits = Object.keys(rateLimits).length === 0 ? {} : { rateLimits }
  const row = (await ask(options, 'endpoint.add', { vrf, netns, ifname, addresses, link, ...limits })) as EndpointRow
  output.write(options.json === true ? `${JSON.stringify(row, null, 2)}\n` : formatView('endpoints', [row], { colors: output.isTerminal }))
}

/** @throws UsageError for a burst without a rate */
function limitOf(direction: 'egress' | 'ingress', options: EndpointAddOptions): object {
  const [bitsPerSecond, burstOctets] = [options[`${direction}Rate`], options[`${direction}Burst`]]
  if (bitsPerSecond !== undefined) return { [direction]: { bitsPerSecond, ...(burstOctets !== undefined && { burstOctets }) } }
  if (burstOctets !== undefined) throw new UsageError(`--${direction}-burst needs --${direction}-rate`)
  return {}
}

/** `heddle endpoint del`: returns when the device is gone. No error when it was not there. */
export async function endpointDel(options: EndpointDelOptions, output: Output): Promise<void> {
  const { netns, ifname, json = false } = options
  await ask(options, 'endpoint.del', { netns, ifname })
  if (json) output.write(`${JSON.stringify({ netns, ifname, state: 'detached' }, null, 2)}\n`)
}
