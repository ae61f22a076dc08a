import { hasFeature } from '@heddle/core'
import fc from 'fast-check'
import { arbitraryInput, type PacketInput } from '../arbitrary/packets.js'
import { limited } from '../arbitrary/rate-limits.js'
import { arbitraryTables, separated, type Surroundings } from '../arbitrary/tables.js'
import { arbitraryTranslated, translating } from '../arbitrary/translated.js'
import type { ConformanceCase } from '../conformance-case.js'
import { check, printed } from '../conformance-error.js'
import { expectOneOf, isIcmpError, type Lab, type Observed } from '../lab.js'
import { interpretFromPort, interpretFromUnderlay, type World } from '../oracle/interpret.js'
import { Memory } from '../oracle/memory.js'
import type { Outcome } from '../oracle/outcome.js'
import { reachablePorts } from '../oracle/reachable.js'
import type { Tables } from '../tables.js'
import { sendInput, surroundings } from './surroundings.js'

function interpret(world: World, input: PacketInput): Outcome[] {
  return input.from === 'port' ? interpretFromPort(world, input.port, input.packet) : interpretFromUnderlay(world, input)
}

/** Most beliefs that are kept; they are few, since packets that come out tell which was true. */
const MAX_BELIEFS = 256

/**
 * What a dataplane may remember after a packet, given what it may have remembered before: a choice among backends does not show while packets are
 * dropped behind it.
 */
function after(observed: Observed, beliefs: readonly Memory[], outcomes: (memory: Memory) => Outcome[]): Memory[] {
  const roots = beliefs.map((belief) => belief.copy())
  const owned = roots.flatMap((root) => outcomes(root).map((outcome) => ({ root, outcome })))
  const fitting = new Set(
    expectOneOf(
      observed,
      owned.map(({ outcome }) => outcome),
    ),
  )
  const next = new Map<string, Memory>()
  for (const { root, outcome } of owned) {
    if (!fitting.has(outcome)) continue
    outcome.remember?.()
    next.set(fitting.size === 1 ? '' : JSON.stringify(root), root.copy())
  }
  return [...next.values()].slice(0, MAX_BELIEFS)
}

/** Draws tables and packets for them, and has the oracle judge what becomes of each, with everything that was there before it. */
async function agrees(
  lab: Lab,
  tablesFor: (around: Surroundings) => fc.Arbitrary<Tables>,
  inputFor: (around: Surroundings) => fc.Arbitrary<PacketInput>,
  { packets, runs }: { readonly packets: number; readonly runs: number },
): Promise<void> {
  const around = surroundings(lab)
  const { capabilities } = lab.harness.dataplane
  let beliefs: readonly Memory[] = [new Memory()]
  await fc.assert(
    fc.asyncProperty(tablesFor(around), fc.array(inputFor(around), { minLength: packets, maxLength: packets }), async (tables, inputs) => {
      await lab.program(tables)
      await lab.attach()
      const world: World = {
        state: await lab.dump(),
        encapsulations: capabilities.encapsulations,
        underlayMtu: lab.harness.underlayMtu,
        features: capabilities.features ?? [],
      }
      for (const one of beliefs) one.keep(world.state)
      for (const input of inputs) beliefs = after(await sendInput(lab, input), beliefs, (memory) => interpret({ ...world, memory }, input))
    }),
    { numRuns: runs },
  )
}

export const propertyCases: readonly ConformanceCase[] = [
  {
    name: 'property: whatever the tables and packets, the outcome is one that the oracle allows',
    run: (lab) => agrees(lab, arbitraryTables, arbitraryInput, { packets: 10, runs: lab.runs }),
  },
  {
    name: 'property: whatever flows pools and services translate, on the way out, back, and in errors, the oracle allows it',
    needs: { offers: ['nat', 'service', 'policy'] },
    run: (lab) =>
      agrees(lab, (around) => arbitraryTables(around).map(translating), arbitraryTranslated, {
        packets: 30,
        runs: Math.ceil(lab.runs / 4),
      }),
  },
  {
    // A packet through a tunnel may cause an error to an endpoint, which counts there and may not be seen.
    name: 'property: whatever limits ports have, what they send and get from each other is what the oracle allows',
    needs: { offers: ['rate-limit'] },
    run: (lab) =>
      agrees(
        lab,
        (around) => arbitraryTables(around).chain(limited),
        (around) => arbitraryInput(around).filter(({ from }) => from === 'port'),
        { packets: 20, runs: Math.ceil(lab.runs / 4) },
      ),
  },
  {
    name: 'property: no packet comes out of a port of another VRF, or enters from a source that no table names',
    async run(lab) {
      const around = surroundings(lab)
      await fc.assert(
        fc.asyncProperty(
          arbitraryTables(around).map(separated),
          fc.array(arbitraryInput(around), { minLength: 10, maxLength: 10 }),
          async (tables, inputs) => {
            await lab.program(tables)
            await lab.attach()
            const state = await lab.dump()
            for (const input of inputs) {
              const observed = await sendInput(lab, input)
              const tells = hasFeature(lab.harness.dataplane.capabilities, 'tunnel-errors')
              for (const output of observed.outputs) {
                if (output.type === 'sent') continue
                const reachable = reachablePorts(state, input, { errors: tells && isIcmpError(output.packet) })
                check(
                  reachable.has(output.port),
                  `${printed(input)} came out of port ${printed(output)}; the tables lead to ${[...reachable].join()}`,
                )
              }
            }
          },
        ),
        { numRuns: lab.runs },
      )
    },
  },
]
