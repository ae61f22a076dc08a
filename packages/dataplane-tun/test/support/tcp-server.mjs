// Answers a TCP connection with the SHA-256 of everything it received. Argument: the address to listen at.
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

createServer({ allowHalfOpen: true }, (socket) => {
  const hash = createHash('sha256')
  socket.on('data', (chunk) => hash.update(chunk))
  socket.on('end', () => socket.end(hash.digest('hex')))
  socket.on('error', () => socket.destroy())
}).listen(7000, process.argv[2], () => console.log('ready'))
