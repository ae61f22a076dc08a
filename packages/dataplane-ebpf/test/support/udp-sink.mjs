// Takes datagrams and does nothing with them: `udp-sink.mjs ADDRESS PORT`. Prints a line when it listens.
import { createSocket } from 'node:dgram'

const [, , address, port] = process.argv
const socket = createSocket('udp4')
socket.bind(Number(port), address, () => process.stdout.write('listening\n'))
