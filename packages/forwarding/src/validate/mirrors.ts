import type { DataplaneLimits, Encapsulation } from '@heddle/core'
import type { After } from './after.js'
import { MAX_ID, within, type Fail } from './fail.js'

const MAX_SESSION = 1023
const MAX_OCTETS = 0xffffffff

/** Mirrors; those of rules are checked as references. */
export function checkMirrors(
  { mirrors, ports }: After,
  { mirrors: most = Number.POSITIVE_INFINITY }: DataplaneLimits,
  encapsulations: ReadonlySet<Encapsulation>,
  fail: Fail,
): void {
  if (mirrors.size > most) fail('mirror', 'all', 'dataplane.limit', `${mirrors.size} objects are more than ${most}`)
  for (const [id, { ports: sources, snapLength, sink }] of mirrors) {
    within(fail, 'mirror', id, 'id', id, 0, MAX_ID)
    if (snapLength !== undefined) within(fail, 'mirror', id, 'snap length', snapLength, 1, MAX_OCTETS)
    for (const { port } of sources) {
      const kind = ports.get(port)?.kind
      if (kind === 'uplink') fail('mirror', id, 'dataplane.range', `port ${port} is an uplink: its packets are no IP packets of a VRF`)
    }
    if (sink.type !== 'erspan') continue
    if (!encapsulations.has('mpls-gre'))
      fail('mirror', id, 'dataplane.unsupported', 'a collector is sent to over GRE, which this dataplane does not carry')
    within(fail, 'mirror', id, 'session', sink.session, 0, MAX_SESSION)
    if (sink.local.family !== sink.remote.family) {
      fail('mirror', id, 'dataplane.range', `${sink.local} and ${sink.remote} are not of one family`)
    }
  }
}

/** Traces. */
export function checkTraces({ traces }: After, { traces: most = Number.POSITIVE_INFINITY }: DataplaneLimits, fail: Fail): void {
  if (traces.size > most) fail('trace', 'all', 'dataplane.limit', `${traces.size} objects are more than ${most}`)
  for (const [id, { filter }] of traces) {
    within(fail, 'trace', id, 'id', id, 0, MAX_ID)
    if (filter.protocol !== undefined) within(fail, 'trace', id, 'protocol', filter.protocol, 0, 255)
    if (filter.port !== undefined) within(fail, 'trace', id, 'port', filter.port, 0, 65_535)
  }
}
