import { DROP_REASONS, ENCAPSULATIONS, type DropReason, type TraceStep } from '@heddle/core'
import type { StepName } from '@heddle/forwarding'
import { addressOf, wordsOf } from '../layout/prefix.js'
import type { View } from '../layout/struct.js'
import { NONE } from '../layout/structs/address.js'
import { NOTE } from '../layout/structs/observe.js'

/* What the steps of the programs leave of themselves (`bpf/note.h`), as text for a person; in the words of `@heddle/forwarding`. */

/** What a step came to: its result other than a drop reason. */
const [GOES_ON, SENT, CUT] = [-1, -2, -6]
/** In the place of a rule's number; see `bpf/layout/observe.h`. */
const JUDGED = { byDefault: 0xffff, before: 0x1_0000, related: 0x1_0001, follows: 0x1_0002, broken: 0x1_0003 } as const

const NEXT_HOPS = ['to a port', 'into a tunnel', 'look up in another VRF', 'the host itself', 'discard'] as const
const LABELS = ['pop-forward', 'pop-lookup', 'swap'] as const

/** One note, read. */
interface Note {
  /** `GOES_ON`, `SENT`, `CUT` or the slot of a reason. */
  readonly result: number
  readonly reason: DropReason
  readonly first: number
  readonly second: number
  readonly label: number
  readonly family: number
  readonly address: string
}

type Writer = (note: Note) => readonly TraceStep[]

/** By kind, as in `bpf/layout/observe.h`. */
const WRITERS: readonly Writer[] = [
  // first: octets; second: TTL
  (note) =>
    step(
      'parse',
      note.result === GOES_ON
        ? `IPv${note.family}, ${note.first} octets, TTL ${note.second}, from ${note.address}`
        : 'not a sound IPv4 or IPv6 packet',
    ),
  // first: port; second: its MTU, or the octets that are too many
  (note) => step('port', portText(note)),
  // first: whether somebody wants it; second: whether it came from the underlay
  ({ first, second }) =>
    step(
      'flow',
      second === 1
        ? 'looked up where policies or services want it'
        : first === 1
          ? 'read from the headers'
          : 'nothing is remembered of a flow',
    ),
  // first: whether addresses were translated; second: ports
  ({ result, reason, first, second, address }) =>
    step(
      'service',
      result !== GOES_ON
        ? `not translated: ${reason}`
        : first === 0
          ? 'no address is translated'
          : `goes on to ${address} port ${second & 0xffff}`,
    ),
  ({ second, address }) => step('service', `goes on from ${address} port ${second >>> 16}`),
  // first: port, and whether the packet leaves it; second: rule
  (note) => step('policy', policyText(note)),
  // first: mirror
  ({ first }) => step('policy', `copied to mirror ${first}`),
  // first: VRF; second: group
  (note) => step('lookup', lookupText(note)),
  // result: action; first: group, NONE for a label that is swapped; second: next hop
  ({ result, first, second }) =>
    step(
      'nexthop',
      first === NONE
        ? `next hop ${second}: ${NEXT_HOPS[result]}`
        : result === -1
          ? `group ${first} has no usable member`
          : `group ${first} leads to next hop ${second}: ${NEXT_HOPS[result]}`,
    ),
  // first: VRF; second: the outside one
  ({ result, first, second, address }) =>
    step(
      'nexthop',
      result === GOES_ON
        ? `a pool makes the source ${address}`
        : `the pool between VRF ${first} and VRF ${second} has no place for the packet`,
    ),
  // first: encapsulation, and how many labels there are; second: octets
  (note) => [
    { step: 'encap', text: encapText(note) },
    ...(note.result === SENT ? step('send', `${note.second} octets and the headers to ${note.address}`) : []),
  ],
  // first: port; second: TTL, or the port's MTU
  (note) => step('deliver', deliverText(note)),
  // first: whether to a port; second: largest part
  ({ first, second }) => step(first === 1 ? 'deliver' : 'encap', `cut into parts of at most ${second} octets`),
  // first: encapsulation; second: octets
  ({ result, first, second, address }) =>
    step(
      'parse outer',
      result === GOES_ON
        ? `${ENCAPSULATIONS[first]} from ${address}, ${second} octets behind the headers`
        : `malformed ${ENCAPSULATIONS[first]} header`,
    ),
  // first: label; second: action
  (note) => step('label', labelText(note, `label ${note.first}`, LABELS[note.second])),
  // first: VNI
  (note) =>
    note.reason === 'outer-malformed' && note.result !== GOES_ON
      ? step('parse outer', 'malformed VXLAN header')
      : step('label', labelText(note, `VNI ${note.first}`, 'look up')),
  ({ reason }) => step('label', reason === 'ttl-expired' ? 'the TTL of the label runs out' : `what is inside goes no further: ${reason}`),
]

/** The steps of a record. */
export function stepsOf(traced: View<'noted' | 'notes'>): TraceStep[] {
  return Array.from({ length: traced.get('noted') }, (_, index) => traced.element('notes', NOTE, index)).flatMap((view) => {
    const result = view.get('result') | 0
    const [first, second, label, family] = [view.get('first'), view.get('second'), view.get('label'), view.get('family')]
    const address = String(addressOf(family, wordsOf(view, 'address')))
    return WRITERS[view.get('kind')]({ result, reason: DROP_REASONS[result] ?? 'no-next-hop', first, second, label, family, address })
  })
}

function step(name: StepName, text: string): readonly TraceStep[] {
  return [{ step: name, text }]
}

function portText({ result, reason, first, second, address }: Note): string {
  if (result === GOES_ON) return `port ${first} may send from ${address}`
  if (result === SENT) return `a gateway address of port ${first} answers`
  if (reason === 'mtu-exceeded') return `${second} octets are more than the MTU of port ${first}`
  if (reason === 'egress-rate') return `port ${first} sends more than its limit lets it`
  return reason === 'source-address' ? `port ${first} may not send from ${address}` : `port ${first}: ${reason}`
}

function policyText({ result, reason, first, second }: Note): string {
  const name = `${(first & 1) === 1 ? 'egress' : 'ingress'} policy of port ${first >>> 1}`
  const isPassed = result === GOES_ON
  switch (second) {
    case JUDGED.before:
      return `${name}: the flow was allowed`
    case JUDGED.related:
      return 'an ICMP error about a flow that was allowed'
    case JUDGED.follows:
      return isPassed ? 'the fragment follows its first one' : 'the first fragment was not let through'
    case JUDGED.broken:
      return 'the headers that rules look at are not all there'
    default:
      break
  }
  if (second > JUDGED.broken) return 'nothing is filtered'
  const by = second === JUDGED.byDefault ? 'the default' : `rule ${second}`
  if (!isPassed && reason !== 'policy') return `${name}: ${by} says allow, and the port has as many flows as it may`
  return `${name}: ${by} says ${isPassed ? 'allow' : 'deny'}`
}

function lookupText({ result, reason, first, second, address }: Note): string {
  const vrf = first === NONE ? 'no VRF' : `VRF ${first}`
  if (result === GOES_ON) return `${address} in ${vrf} leads to group ${second}`
  if (reason === 'no-route') return `no route to ${address} in ${vrf}`
  return reason === 'lookup-loop' ? 'too many lookups in a row' : `${address} has no place in a VRF`
}

function encapText({ result, reason, first, second, label, address }: Note): string {
  const [encapsulation, count] = [ENCAPSULATIONS[first & 0xff], first >>> 8]
  switch (result === SENT ? 'sent' : reason) {
    case 'sent':
      break
    case 'encapsulation-unsupported':
      return `${encapsulation} cannot carry the packet here`
    case 'label-stack':
      return 'an unlabelled packet would belong to no VRF at the far end'
    case 'ttl-expired':
      return 'the TTL runs out'
    case 'mtu-exceeded':
      return `${second} octets are more than the tunnel takes`
    case 'congestion':
      return 'congestion was marked, and the next tunnel cannot carry the mark'
    default:
      return `not sent: ${reason}`
  }
  if (encapsulation === 'vxlan') return `${encapsulation} to ${address}, VNI ${label}`
  const rest = count > 1 ? ` and ${count - 1} more` : ''
  return count === 0 ? `${encapsulation} to ${address}, no label` : `${encapsulation} to ${address}, label ${label}${rest}`
}

function deliverText({ result, reason, first, second, family }: Note): string {
  if (result === SENT) return `to port ${first}, TTL ${second - 1}`
  switch (reason) {
    case 'no-next-hop':
      return 'there is no such port'
    case 'port-down':
      return `port ${first} has no device`
    case 'family-unsupported':
      return `port ${first} does not carry IPv${family}`
    case 'ttl-expired':
      return `TTL ${second} runs out`
    case 'mtu-exceeded':
      return `more octets than the MTU ${second} of port ${first}`
    case 'ingress-rate':
      return `more than its limit lets is for port ${first}`
    default:
      return `not delivered to port ${first}: ${reason}`
  }
}

function labelText({ result, reason }: Note, name: string, action: string | undefined): string {
  if (result === GOES_ON || result === CUT) return `${name} is accepted: ${action}`
  switch (reason) {
    case 'label-unknown':
    case 'vni-unknown':
      return `no entry for ${name}`
    case 'tunnel-source':
      return `${name} is not accepted from this source`
    case 'label-special':
      return `special-purpose ${name} may not arrive here`
    case 'ttl-expired':
      return `the TTL of ${name} runs out`
    case 'label-stack':
      return 'the label stack has no bottom, or another label below the one that ends it'
    default:
      return `${name}: ${reason}`
  }
}
