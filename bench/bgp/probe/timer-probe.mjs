// Preloaded into a process (`node --import`): a timer every 10 ms, and how late each was. Asked over the IPC channel.
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

process.on('message', (/** @type {{ probe?: 'read' }} */ { probe }) => {
  if (probe !== 'read') return
  process.send?.({ lateness, memory: process.memoryUsage() })
  lateness = []
  due = performance.now() + PERIOD
})
process.channel?.unref()
