import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { SharedRoutes } from '../src/lanes/shared-routes.js'
import { CALLED, ENDED, HEARD, LOOKUPS, VRFS, WRONG, type ReaderStart } from './support/fib-reading.js'
import { RUN_SOURCES } from './support/run-sources.js'

const SEED = Number(process.env['HEDDLE_SEED'] ?? 20_251)
const WRITES = 20_000

let worker: Worker | undefined
afterEach(async () => void (await worker?.terminate()))

function drawing(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37) | 0
    return ((state ^ (state >>> 15)) >>> 0) % below
  }
}

/** The default, and prefixes that cover each other at all levels of a trie. */
function prefixes(draw: (below: number) => number): { addresses: Uint32Array; lengths: Uint8Array } {
  const made = new Map([['0/0', [0, 0]]])
  while (made.size < 6000) {
    const length = [12, 16, 20, 24, 28, 30, 32, 32][draw(8)]
    const address = (0x0a00_0000 + draw(64) * 0x1_0000 + draw(8) * 0x100 + draw(256)) & (-1 << (32 - length))
    made.set(`${address}/${length}`, [address >>> 0, length])
  }
  const rows = [...made.values()]
  return { addresses: Uint32Array.from(rows, ([address]) => address), lengths: Uint8Array.from(rows, ([, length]) => length) }
}

test('a thread that looks up beside the writer gets answers of the table and VRF that it asked', async () => {
  const draw = drawing(SEED)
  const control = new Int32Array(new SharedArrayBuffer(64))
  const { addresses, lengths } = prefixes(draw)
  const { port1: port, port2 } = new MessageChannel()
  const start: ReaderStart = { control, addresses, lengths }
  worker = new Worker(fileURLToPath(new URL('support/fib-reader-thread.ts', import.meta.url)), {
    workerData: { ...start, port: port2 },
    transferList: [port2],
    execArgv: RUN_SOURCES,
  })
  const died = new Promise<never>((_resolve, reject) => worker?.once('error', reject))
  const routes = new SharedRoutes()
  const tables = Array.from({ length: VRFS }, (_, vrf) => routes.tableFor(vrf))
  const set = (vrf: number, row: number): number => tables[vrf].set(4, addresses[row], 0, 0, 0, lengths[row], vrf * addresses.length + row)
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise(setImmediate)
  }
  const passed = (): Promise<void> => {
    const moved = routes.takeMoved()
    if (moved.length > 0) port.postMessage(moved)
    return routes.reclaim(() => {
      const called = Atomics.add(control, CALLED, 1) + 1
      return until(() => Atomics.load(control, HEARD) === called)
    })
  }

  for (let vrf = 0; vrf < VRFS; vrf++) set(vrf, 0)
  await Promise.race([passed(), died])
  Atomics.store(control, WRONG, 0) // before it was told, it knew no routes
  for (let write = 0; write < WRITES; write++) {
    // Tables grow, to their large form at last, and shrink.
    const [vrf, row] = [draw(VRFS), 1 + draw(addresses.length - 1)]
    const isGrowing = Math.floor((write / WRITES) * 4) % 2 === 0
    if (draw(8) > 0 === isGrowing) set(vrf, row)
    else tables[vrf].delete(4, addresses[row], 0, 0, 0, lengths[row])
    if (write % 250 === 0) await Promise.race([passed(), died])
  }
  await Promise.race([until(() => Atomics.load(control, LOOKUPS) > 20_000), died])
  Atomics.store(control, ENDED, 1)
  expect(Atomics.load(control, WRONG), `seed ${SEED}`).toBe(0)
  port.close()
})
