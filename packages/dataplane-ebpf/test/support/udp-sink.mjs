// Takes datagrams and does nothing with them: `udp-sink.mjs ADDRESS PORT [tell]`. Prints a line when it listens; and then, with `tell`, how many have come, whenever
// some have.
import { createSocket } from 'node:dgram'

const [, , address, port, tells] = process.argv
const socket = createSocket('udp4')
let [count, told] = [0, 0]
socket.on('message', () => {
  count++
  if (tells === undefined) return
  setImmediate(() => {
    if (told === count) return
    told = count
    process.stdout.write(`${count}\n`)
  })
})
socket.bind(Number(port), address, () => process.stdout.write('listening\n'))
