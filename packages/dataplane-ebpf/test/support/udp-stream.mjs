// Sends datagrams at an even rate until its input ends: `udp-stream.mjs ADDRESS PORT PER_SECOND [AHEAD]`. Prints how many. With AHEAD, lines of its input tell
// how many have arrived, and it is never more than so many ahead: what it sends is in no queue that could be full.
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const [, , address, port, rate, ahead = 'Infinity'] = process.argv
const socket = createSocket('udp4')
const payload = Buffer.alloc(200)
const start = performance.now()
let [sent, arrived] = [0, 0]
socket.connect(Number(port), address, () => {
  const timer = setInterval(() => {
    const due = Math.min(Math.floor(((performance.now() - start) * Number(rate)) / 1000), arrived + Number(ahead))
    // After a pause, what was missed is not sent at once: the far socket's buffer is not what is tested.
    for (let burst = 0; sent < due && burst < 50; burst++) {
      socket.send(payload)
      sent++
    }
  }, 1)
  const input = createInterface(process.stdin)
  input.on('line', (line) => (arrived = Number(line)))
  input.on('close', () => {
    clearInterval(timer)
    socket.close(() => process.stdout.write(`${sent}\n`))
  })
})
