import { readBpfObject } from '../../src/bpf-object.js'
import type { NativeObject } from '../../src/native/binding.js'
import { call } from '../../src/native/call.js'
import { ObjectFile, type ObjectFunction } from './object-file.js'

/** What a program of tc returns: whatever is behind it comes next, or the packet is the host's, past all that is behind it. */
const [NEXT, HOST] = [-1, 0]

/**
 * Programs that are not those of any dataplane, of which one, `sweep`, changes no packet.
 *
 * @param isLast whether it gives all packets to the host, as the last program that sees them
 */
export function foreignPrograms(isLast: boolean): NativeObject {
  const object = readBpfObject().slice()
  const file = new ObjectFile(object)
  const octets = file.octets(file.functions.get('sweep') as ObjectFunction)
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  // The immediate of the last instruction but one, behind which it exits.
  const at = octets.byteLength - 12
  if (view.getInt32(at, true) !== NEXT) throw new TypeError('the program returns something else')
  if (isLast) view.setInt32(at, HOST, true)
  const sizes = { fib: 1024, routes: 1, flows: 16, flow_counts: 16, nat_flows: 16, affinities: 16 }
  return call((native) => native.objectLoad(object, sizes))
}
