// Octets over TCP. `tcp-bulk.mjs take ADDRESS PORT`: a line when it listens, and for each connection how many octets came, and whether they were those that
// were sent. `tcp-bulk.mjs send ADDRESS PORT [OCTETS]`: without a number until its input ends, and with pauses.
import { connect, createServer } from 'node:net'

/** Octets after which what is sent begins again: no size of a segment is a multiple of it. */
const PERIOD = 65_521
const CHUNK = 1 << 20
/** Milliseconds between chunks of a stream without end: others have to come to their turn. */
const PAUSE = 20

const [, , role, address, port, octets] = process.argv
const pattern = Buffer.from(Array.from({ length: PERIOD }, (_, index) => (index * 7 + (index >> 8)) & 0xff))
const stream = Buffer.concat(Array.from({ length: Math.ceil(CHUNK / PERIOD) + 1 }, () => pattern))

function take(socket) {
  let [count, isWhole] = [0, true]
  socket.on('data', (data) => {
    for (let at = 0; at < data.length; at += CHUNK) {
      const part = data.subarray(at, at + CHUNK)
      const from = (count + at) % PERIOD
      isWhole &&= part.equals(stream.subarray(from, from + part.length))
    }
    count += data.length
  })
  socket.on('end', () => {
    process.stdout.write(`${count} octets, ${isWhole ? 'as they were sent' : 'others than were sent'}\n`)
    socket.end()
  })
}

if (role === 'take') createServer(take).listen(Number(port), address, () => process.stdout.write('listening\n'))
else {
  const socket = connect(Number(port), address)
  const isEndless = octets === undefined
  let [sent, left] = [0, isEndless ? Infinity : Number(octets)]
  const push = () => {
    for (let more = true; more && left > 0;) {
      const from = sent % PERIOD
      const size = Math.min(CHUNK, left)
      sent += size
      left -= size
      more = socket.write(stream.subarray(from, from + size))
    }
    if (left === 0) socket.end()
  }
  socket.on('connect', push)
  socket.on('drain', isEndless ? () => setTimeout(push, PAUSE) : push)
  socket.resume()
  if (isEndless) process.stdin.on('end', () => (left = 0)).resume()
}
