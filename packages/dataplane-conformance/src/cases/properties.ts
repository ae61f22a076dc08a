import fc from 'fast-check'
import { arbitraryInput, type PacketInput } from '../arbitrary/packets.js'
import { arbitraryTables, separated, type Surroundings } from '../arbitrary/tables.js'
import type { ConformanceCase } from '../conformance-case.js'
import { check, printed } from '../conformance-error.js'
import { expectOneOf, type Lab, type Observed } from '../lab.js'
import { interpretFromPort, interpretFromUnderlay, type World } from '../oracle/interpret.js'
import { reachablePorts } from '../oracle/reachable.js'

function surroundings({ harness }: Lab): Surroundings {
  const { encapsulations, underlayFamilies } = harness.dataplane.capabilities
  const underlays = underlayFamilies.map((family) => ({ local: harness.local(family), peers: harness.peers(family) }))
  return { encapsulations, underlays }
}

async function send(lab: Lab, input: PacketInput): Promise<Observed> {
  return input.from === 'port' ? lab.fromPort(input.port, input.packet) : lab.fromUnderlay(input)
}

export const propertyCases: readonly ConformanceCase[] = [
  {
    name: 'property: whatever the tables and packets, the outcome is one that the oracle allows',
    async run(lab) {
      const around = surroundings(lab)
      await fc.assert(
        fc.asyncProperty(
          arbitraryTables(around),
          fc.array(arbitraryInput(around), { minLength: 10, maxLength: 10 }),
          async (tables, inputs) => {
            await lab.program(tables)
            await lab.attach()
            const { capabilities } = lab.harness.dataplane
            const world: World = {
              state: await lab.dump(),
              encapsulations: capabilities.encapsulations,
              underlayMtu: lab.harness.underlayMtu,
            }
            for (const input of inputs) {
              const allowed =
                input.from === 'port' ? interpretFromPort(world, input.port, input.packet) : interpretFromUnderlay(world, input)
              expectOneOf(await send(lab, input), allowed)
            }
          },
        ),
        { numRuns: lab.runs },
      )
    },
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
              const observed = await send(lab, input)
              const reachable = reachablePorts(state, input)
              for (const output of observed.outputs) {
                const allowed = output.type === 'sent' || reachable.has(output.port)
                check(allowed, `${printed(input)} came out of port ${printed(output)}; the tables lead to ${[...reachable].join()}`)
              }
            }
          },
        ),
        { numRuns: lab.runs },
      )
    },
  },
]
