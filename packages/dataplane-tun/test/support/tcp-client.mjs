// Sends octets to a TCP server and prints its answer and what the answer should be. Arguments: address, number of octets.
import { createHash } from 'node:crypto'
import { connect } from 'node:net'

const [address, size] = process.argv.slice(2)
const payload = Buffer.alloc(Number(size), 'heddle ')
const socket = connect(7000, address, () => socket.end(payload))
let answer = ''
socket.on('data', (chunk) => (answer += chunk))
socket.on('end', () => console.log(`${answer} ${createHash('sha256').update(payload).digest('hex')}`))
