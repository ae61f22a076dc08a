import type { Context } from '../context.js'
import { TRANSLATED } from './ends.js'
import { translate } from './translate.js'

export { TRANSLATED } from './ends.js'

/** `translate`, where there are services, once for each VRF that a packet comes through. */
export function serve(context: Context, vrf: number): number {
  const { tables, trace } = context
  if (tables.nat === undefined || context.natVrf === vrf) {
    trace?.step('service', 'no address is translated')
    return TRANSLATED
  }
  context.natVrf = vrf
  return translate(context, vrf)
}

/** A reply that is delivered in another VRF than it came from: the client's VRF is where its flow was translated. */
export function serveReply(context: Context, vrf: number): number {
  return context.tables.nat === undefined || context.natVrf === vrf ? TRANSLATED : translate(context, vrf, true)
}
