import { createInterface } from 'node:readline'
import { readBpfObject } from '../../src/bpf-object.js'
import { call } from '../../src/native/call.js'
import { mapSizes } from '../../src/tables/map-sizes.js'

/*
 * Sends a frame from a port, as fast as the kernel runs its program: `limited-sender.ts PINS CAPACITY PACKETS FRAME`, where PINS are maps with the port's
 * tables, and FRAME is in hexadecimal. Says when it is ready; for each line that it is given it sends the packets, and says when it began and when it was
 * over, in nanoseconds of the machine's clock.
 */
const [, , pins, capacity, packets, frame] = process.argv
const object = call((native) => native.objectLoad(readBpfObject(), mapSizes(JSON.parse(capacity)), pins))
const octets = Uint8Array.from(Buffer.from(frame, 'hex'))
process.stdout.write('ready\n')
for await (const _ of createInterface({ input: process.stdin })) {
  const begun = process.hrtime.bigint()
  object.testRun('egress', octets, 0, Number(packets))
  process.stdout.write(`${begun} ${process.hrtime.bigint()}\n`)
}
object.close()
