// Looks up without end what another thread writes, and counts what no route of that table can have answered.
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { ReadRoutes, type MovedRoutes } from '../../src/lanes/shared-routes.js'
import { CALLED, ENDED, HEARD, LOOKUPS, VRFS, WRONG, type ReaderStart } from './fib-reading.js'

const { control, addresses, lengths, port } = workerData as ReaderStart & { readonly port: MessagePort }
const tables = Array.from({ length: VRFS }, () => new ReadRoutes())
let state = 1
const draw = (): number => {
  state = (Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37) | 0
  return (state ^ (state >>> 15)) >>> 0
}

while (Atomics.load(control, ENDED) === 0) {
  const called = Atomics.load(control, CALLED)
  for (let told = receiveMessageOnPort(port); told !== undefined; told = receiveMessageOnPort(port)) {
    for (const { vrf, regions } of told.message as readonly MovedRoutes[]) tables[vrf].load(regions)
  }
  Atomics.store(control, HEARD, called)
  for (let turn = 0; turn < 200; turn++) {
    const vrf = draw() % VRFS
    const index = draw() % addresses.length
    const address = (addresses[index] + (draw() & 3)) >>> 0
    const value = tables[vrf].lookup4(address)
    // A value names the VRF and the prefix that it is the value of.
    const prefix = value % addresses.length
    const isRight = value >= 0 && Math.floor(value / addresses.length) === vrf && covers(addresses[prefix], lengths[prefix], address)
    if (!isRight) Atomics.add(control, WRONG, 1)
  }
  Atomics.add(control, LOOKUPS, 200)
}

function covers(prefix: number, length: number, address: number): boolean {
  return length === 0 || (prefix ^ address) >>> (32 - length) === 0
}
