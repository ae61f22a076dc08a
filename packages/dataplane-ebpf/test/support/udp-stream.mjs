// Sends datagrams at an even rate until its input ends: `udp-stream.mjs ADDRESS PORT PER_SECOND`. Prints how many.
import { createSocket } from 'node:dgram'

const [, , address, port, rate] = process.argv
const socket = createSocket('udp4')
const payload = Buffer.alloc(200)
const start = performance.now()
let sent = 0
socket.connect(Number(port), address, () => {
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - start) * Number(rate)) / 1000)
    // After a pause, what was missed is not sent at once: the far socket's buffer is not what is tested.
    for (let burst = 0; sent < due && burst < 50; burst++) {
      socket.send(payload)
      sent++
    }
  }, 1)
  process.stdin.on('end', () => {
    clearInterval(timer)
    socket.close(() => process.stdout.write(`${sent}\n`))
  })
  process.stdin.resume()
})
