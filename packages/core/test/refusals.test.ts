import { IpPrefix } from '@heddle/wire'
import { beforeEach, expect, test } from 'vitest'
import { FibCompiler, type FibTransaction, type ObjectKind, type PolicyObject, type PortObject } from '../src/index.js'
import { emptyState } from '../src/testing/index.js'

const PREFIX = IpPrefix.parse('10.0.0.0/8')
const PORT: PortObject = { id: 5, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }
const POLICY: Omit<PolicyObject, 'id'> = { port: 5, direction: 'ingress', rules: [], defaultVerdict: 'deny' }

let fib: FibCompiler

/** Carries what is wanted to a dataplane that refuses `names`, each a kind and a key; undefined when there is nothing to do. */
function apply(...names: readonly (readonly [ObjectKind, number])[]): FibTransaction | undefined {
  const transaction = fib.take()
  if (transaction === undefined) return undefined
  const failures = names.map(([kind, key]) => ({ object: { kind, key: String(key) }, code: 'dataplane.kernel', message: 'refused' }))
  expect(fib.commit({ status: 'applied', generation: transaction.generation, failures })).toBe(names.length === 0)
  return transaction
}

beforeEach(() => {
  fib = new FibCompiler(0)
  fib.objects.vrfs.want(1, { id: 1, name: 'red' })
  fib.objects.ports.want(5, PORT)
  fib.setRoute(1, PREFIX, [{ action: { type: 'port', port: 5 } }])
  apply()
})

// The port was in no transaction any more: it went on without its policy, and the agent said that it had it.
test('an object is set again that the transaction did not have, when something was refused that follows from another one', () => {
  fib.policies.want(POLICY)
  expect(apply(['port', 5])).toMatchObject({ policies: { set: [POLICY] }, ports: { set: [] } })
  expect(fib.objects.ports.isProgrammed(5)).toBe(false)
  expect(apply(['port', 5])).toMatchObject({ ports: { set: [PORT] } })
  const last = apply()
  expect(last).toMatchObject({ ports: { set: [PORT] } })
  expect(last?.policies).toBeUndefined()
  expect(fib.objects.ports.isProgrammed(5)).toBe(true)
  expect(apply()).toBeUndefined()
})

test('no route counts as installed of a VRF of which programs know no more where its routes are', () => {
  expect(fib.isInstalled(1, PREFIX)).toBe(true)
  fib.setRoute(1, PREFIX, [{ action: { type: 'local' } }])
  apply(['vrf', 1])
  expect(fib.isInstalled(1, PREFIX)).toBe(false)
  expect(apply()).toMatchObject({ vrfs: { set: [{ id: 1 }] } })
  expect(fib.isInstalled(1, PREFIX)).toBe(true)
})

// An object may be written in several steps, of which one was refused.
test('what was refused in part is told what is wanted by then, also when that is what it was before, or nothing', () => {
  fib.objects.ports.want(5, { ...PORT, mtu: 1300 })
  fib.objects.ports.want(6, { ...PORT, id: 6 })
  apply(['port', 5], ['port', 6])
  fib.objects.ports.want(5, PORT)
  fib.objects.ports.drop(6)
  expect(apply()?.ports).toEqual({ set: [PORT], remove: [6] })
  expect(apply()).toBeUndefined()
})

test('a transaction that was refused whole has left nothing behind', () => {
  fib.objects.ports.want(6, { ...PORT, id: 6 })
  const transaction = fib.take() as FibTransaction
  const failure = { object: { kind: 'port' as const, key: '6' }, code: 'dataplane.range', message: 'refused' }
  expect(fib.commit({ status: 'refused', generation: transaction.generation, failures: [failure] })).toBe(false)
  fib.objects.ports.drop(6)
  expect(apply()).toBeUndefined()
})

test('what is kept of a dataplane before this one is set as it was when something of it is refused, and goes when it is not wanted', () => {
  const next = new FibCompiler(0)
  next.adopt({ ...emptyState(), vrfs: [{ id: 1, name: 'red' }], ports: [PORT] })
  next.objects.vrfs.want(1, { id: 1, name: 'red' })
  fib = next
  fib.objects.vrfs.want(2, { id: 2, name: 'green' })
  apply(['port', 5])
  expect(apply()?.ports).toEqual({ set: [PORT], remove: [] })
  expect(apply()).toBeUndefined()
  fib.release()
  expect(apply()?.ports).toEqual({ set: [], remove: [5] })
})
