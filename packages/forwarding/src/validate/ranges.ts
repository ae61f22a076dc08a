import {
  isRateLimited,
  rateLimitProblems,
  type DataplaneLimits,
  type FibTransaction,
  type NextHopAction,
  type PortObject,
} from '@heddle/core'
import { JOINT_LABEL, MAX_LABEL, MIN_UNRESERVED_LABEL } from '@heddle/mpls'
import { MAX_ID, within, type Fail } from './fail.js'

const MAX_VNI = 0xffffff
const MIN_MTU = 68
const MAX_MTU = 65_535

/** Values that no dataplane takes, and lists that are longer than this one does. */
export function checkRanges(transaction: FibTransaction, limits: DataplaneLimits, fail: Fail): void {
  const ids = [
    ['vrf', transaction.vrfs.set],
    ['port', transaction.ports.set],
    ['next-hop', transaction.nextHops.set],
    ['group', transaction.groups.set],
    ['tunnel-sources', transaction.tunnelSources.set],
  ] as const
  for (const [kind, objects] of ids) for (const { id } of objects) within(fail, kind, id, 'id', id, 0, MAX_ID)
  for (const port of transaction.ports.set) checkPort(port, fail)
  for (const { id, action } of transaction.nextHops.set) checkTunnel(id, action, limits, fail)
  for (const { id, members, seed } of transaction.groups.set) {
    within(fail, 'group', id, 'seed', seed, 0, 0xffffffff)
    for (const { weight } of members) within(fail, 'group', id, 'weight', weight, 1, 0xffffffff)
    if (members.length > limits.groupMembers) {
      fail('group', id, 'dataplane.limit', `${members.length} members are more than ${limits.groupMembers}`)
    }
  }
  for (const { label } of transaction.labels.set) {
    within(fail, 'label', label, 'label', label, MIN_UNRESERVED_LABEL, MAX_LABEL)
    if (label === JOINT_LABEL)
      fail('label', label, 'dataplane.joint-label', `label ${label} would never be found: it is passed over as a joint label`)
  }
  for (const { vni } of transaction.vnis.set) within(fail, 'vni', vni, 'VNI', vni, 0, MAX_VNI)
}

function checkPort({ id, mtu, kind, link, rateLimits }: PortObject, fail: Fail): void {
  within(fail, 'port', id, 'MTU', mtu, MIN_MTU, MAX_MTU)
  if (link !== undefined && kind !== 'endpoint') fail('port', id, 'dataplane.range', `a port of the kind ${kind} has no link to neighbours`)
  if (rateLimits === undefined) return
  if (kind === 'uplink' && isRateLimited(rateLimits))
    fail('port', id, 'dataplane.range', 'an uplink has no rate limits: each endpoint may have its own')
  for (const problem of rateLimitProblems(rateLimits)) fail('port', id, 'dataplane.range', problem)
}

function checkTunnel(id: number, action: NextHopAction, limits: DataplaneLimits, fail: Fail): void {
  if (action.type !== 'tunnel') return
  const { encapsulation, local, remote, labels, vni, routerMac } = action
  if (local.family !== remote.family) fail('next-hop', id, 'dataplane.range', `${local} and ${remote} are not of one family`)
  if (labels.length > limits.labelStackDepth) {
    fail('next-hop', id, 'dataplane.limit', `${labels.length} labels are more than ${limits.labelStackDepth}`)
  }
  for (const label of labels) within(fail, 'next-hop', id, 'label', label, 0, MAX_LABEL)
  if (encapsulation !== 'vxlan') return
  within(fail, 'next-hop', id, 'VNI', vni ?? -1, 0, MAX_VNI)
  if (routerMac === undefined) fail('next-hop', id, 'dataplane.range', 'a VXLAN tunnel needs the far router’s MAC address')
  if (labels.length > 0) fail('next-hop', id, 'dataplane.range', 'a VXLAN tunnel has no labels')
}
