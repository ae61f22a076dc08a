import { readFileSync } from 'node:fs'
import { readBpfObject } from '../../src/bpf-object.js'
import { call } from '../../src/native/call.js'
import { mapSizes } from '../../src/tables/map-sizes.js'

/*
 * Sends from a port, as fast as the kernel runs its program: `limited-sender.ts PINS CAPACITY PACKETS`, where PINS are maps with the port's tables. Says that
 * it is ready, and begins with the frame that it is given then.
 */
const [, , pins, capacity, packets] = process.argv
const object = call((native) => native.objectLoad(readBpfObject(), mapSizes(JSON.parse(capacity)), pins))
process.stdout.write('ready\n')
const frame = readFileSync(0)
object.testRun('egress', frame, 0, Number(packets))
object.close()
