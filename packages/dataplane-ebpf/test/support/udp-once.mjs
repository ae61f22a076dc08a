// Takes one datagram and says whether it is one of `udp-large.mjs`: `udp-once.mjs ADDRESS PORT`. Prints a line when it listens.
import { createSocket } from 'node:dgram'

const [, , address, port] = process.argv
const socket = createSocket('udp4')
socket.on('message', (data) => {
  const isWhole = data.every((octet, index) => octet === (index & 0xff))
  process.stdout.write(`${data.length} octets, ${isWhole ? 'as they were sent' : 'others than were sent'}\n`)
  socket.close()
})
socket.bind(Number(port), address, () => process.stdout.write('listening\n'))
