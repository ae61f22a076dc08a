import type { PacketInput } from '../arbitrary/packets.js'
import type { Surroundings } from '../arbitrary/tables.js'
import type { Lab, Observed } from '../lab.js'
import type { Tables } from '../tables.js'

/** What tables and packets of a property are drawn for. */
export function surroundings({ harness }: Lab): Surroundings {
  const { encapsulations, underlayFamilies, features = [] } = harness.dataplane.capabilities
  const underlays = underlayFamilies.map((family) => ({ local: harness.local(family), peers: harness.peers(family) }))
  const trafficClasses = harness.features.has('outer-traffic-class') ? [0, 1, 2, 3, 0xb8] : [0]
  return { encapsulations, underlays, features, trafficClasses }
}

/** Whether nobody sees what becomes of a packet, as a dataplane without `takes-all` leaves it to the host. Of what is drawn only VXLAN may be such. */
export function isLeftToHost({ harness }: Lab, { vnis }: Pick<Tables, 'vnis'>, input: PacketInput): boolean {
  if (harness.features.has('takes-all') || input.from === 'port') return false
  return input.encapsulation === 'vxlan' && vnis.length === 0
}

/** Sends what was drawn. */
export async function sendInput(lab: Lab, input: PacketInput): Promise<Observed> {
  return input.from === 'port' ? lab.fromPort(input.port, input.packet) : lab.fromUnderlay(input)
}
