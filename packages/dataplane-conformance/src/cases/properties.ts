import { hasFeature } from '@heddle/core'
import fc from 'fast-check'
import { arbitraryInput, type PacketInput } from '../arbitrary/packets.js'
import { arbitraryTables, separated, type Surroundings } from '../arbitrary/tables.js'
import type { ConformanceCase } from '../conformance-case.js'
import { check, printed } from '../conformance-error.js'
import { expectOneOf, isIcmpError, type Lab, type Observed } from '../lab.js'
import { interpretFromPort, interpretFromUnderlay, type World } from '../oracle/interpret.js'
import { Memory } from '../oracle/policy.js'
import { reachablePorts } from '../oracle/reachable.js'

function surroundings({ harness }: Lab): Surroundings {
  const { encapsulations, underlayFamilies, features = [] } = harness.dataplane.capabilities
  const underlays = underlayFamilies.map((family) => ({ local: harness.local(family), peers: harness.peers(family) }))
  const trafficClasses = harness.features.has('outer-traffic-class') ? [0, 1, 2, 3, 0xb8] : [0]
  return { encapsulations, underlays, features, trafficClasses }
}

async function send(lab: Lab, input: PacketInput): Promise<Observed> {
  return input.from === 'port' ? lab.fromPort(input.port, input.packet) : lab.fromUnderlay(input)
}

export const propertyCases: readonly ConformanceCase[] = [
  {
    name: 'property: whatever the tables and packets, the outcome is one that the oracle allows',
    async run(lab) {
      const around = surroundings(lab)
      const memory = new Memory()
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
              features: capabilities.features ?? [],
              memory,
            }
            memory.keep(world.state)
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
