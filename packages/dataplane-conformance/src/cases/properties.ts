import { hasFeature } from '@heddle/core'
import fc from 'fast-check'
import { arbitraryInput, type PacketInput } from '../arbitrary/packets.js'
import { limited } from '../arbitrary/rate-limits.js'
import { arbitraryTables, separated, type Surroundings } from '../arbitrary/tables.js'
import { arbitraryTransit, transiting } from '../arbitrary/transit.js'
import { arbitraryTranslated, translating } from '../arbitrary/translated.js'
import type { ConformanceCase } from '../conformance-case.js'
import { check, printed } from '../conformance-error.js'
import { isIcmpError, type Lab } from '../lab.js'
import { reachablePorts } from '../oracle/reachable.js'
import type { Tables } from '../tables.js'
import { Judge } from './judge.js'
import { isLeftToHost, sendInput, surroundings } from './surroundings.js'

/** Draws tables and packets for them, and has the oracle judge what becomes of each, with everything that was there before it. */
async function agrees(
  lab: Lab,
  tablesFor: (around: Surroundings) => fc.Arbitrary<Tables>,
  inputsFor: (around: Surroundings, count: number) => fc.Arbitrary<readonly PacketInput[]>,
  { packets, runs }: { readonly packets: number; readonly runs: number },
): Promise<void> {
  const around = surroundings(lab)
  const judge = new Judge(lab)
  await fc.assert(
    fc.asyncProperty(tablesFor(around), inputsFor(around, packets), async (tables, inputs) => {
      await judge.program(tables)
      for (const input of inputs) await judge.send(input)
    }),
    { numRuns: runs },
  )
}

/** Packets of which none is drawn for another. */
function apart(inputFor: (around: Surroundings) => fc.Arbitrary<PacketInput>) {
  return (around: Surroundings, count: number): fc.Arbitrary<readonly PacketInput[]> =>
    fc.array(inputFor(around), { minLength: count, maxLength: count })
}

export const propertyCases: readonly ConformanceCase[] = [
  {
    name: 'property: whatever the tables and packets, the outcome is one that the oracle allows',
    run: (lab) => agrees(lab, arbitraryTables, apart(arbitraryInput), { packets: 10, runs: lab.runs }),
  },
  {
    name: 'property: whatever takes the place of a label, and whatever is left below it, the oracle allows it',
    needs: { encapsulations: ['mpls-udp'] },
    run: (lab) =>
      agrees(lab, (around) => arbitraryTables(around).chain((tables) => transiting(tables, around)), apart(arbitraryTransit), {
        packets: 20,
        runs: Math.ceil(lab.runs / 4),
      }),
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
        apart((around) => arbitraryInput(around).filter(({ from }) => from === 'port')),
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
              if (isLeftToHost(lab, state, input)) continue
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
