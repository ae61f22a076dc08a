// Sends large datagrams until its input ends: `udp-large.mjs ADDRESS PORT OCTETS`.
import { createSocket } from 'node:dgram'

const [, , address, port, size] = process.argv
const socket = createSocket('udp4')
const payload = Buffer.from(Array.from({ length: Number(size) }, (_, index) => index & 0xff))
socket.connect(Number(port), address, () => {
  socket.on('error', () => undefined)
  const timer = setInterval(() => socket.send(payload), 20)
  process.stdin.on('end', () => {
    clearInterval(timer)
    socket.close()
  })
  process.stdin.resume()
})
