// Preloaded into a process (`node --import`): a timer every 10 ms, and how late each was, for whoever connects to the socket that the environment
// names. A socket and no IPC channel, because a program may begin anew by execve with other options.
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'

const PERIOD = 10
/** Milliseconds. @type {number[]} */
let lateness = []
let due = performance.now() + PERIOD

function tick() {
  const now = performance.now()
  // Timers that would have been due while this one waited were late too: without them a long delay would count as a single one.
  for (let late = Math.max(0, now - due); ; late -= PERIOD) {
    lateness.push(late)
    if (late <= PERIOD) break
  }
  due = now + PERIOD
  setTimeout(tick, PERIOD).unref()
}
setTimeout(tick, PERIOD).unref()

const path = process.env.HEDDLE_BENCH_PROBE
if (path !== undefined) {
  rmSync(path, { force: true })
  const server = createServer((connection) => {
    connection.end(JSON.stringify({ lateness, memory: process.memoryUsage() }))
    lateness = []
    due = performance.now() + PERIOD
  })
  server.listen(path).unref()
}
