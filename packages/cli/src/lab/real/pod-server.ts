import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { FlowResult } from '../lab.js'
import { POD_PORT, type PodAnswer, type PodRequest } from './pod-protocol.js'

const FLOW_INTERVAL = 5
/** Number of the datagrams that end a flow. */
const LAST = 0xffff_ffff
/** How often one is sent, and how many of them, before a flow is taken for interrupted: ten seconds. */
const LAST_INTERVAL = 50
const MOST_LAST = 200
const CHUNK = new Uint8Array(64 << 10)

/** A workload of the demo, inside a pod's namespace: answers with its own name, and asks others for theirs. Ends with its standard input. */
export async function runPod(name: string): Promise<void> {
  const flows = new Map<number, () => Promise<FlowResult>>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write(`${name}\n`)
    socket.resume()
  })
  await Promise.all([
    new Promise<void>((resolve) => {
      server.listen(POD_PORT, '::', resolve)
    }),
    echo('udp4'),
    echo('udp6'),
  ])
  answer({ id: 0, value: 'ready' })
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as PodRequest
    void serve(request, flows).then((value) => {
      answer({ id: request.id, value })
    })
  }
}

function answer(value: PodAnswer): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

async function serve(request: PodRequest, flows: Map<number, () => Promise<FlowResult>>): Promise<unknown> {
  switch (request.op) {
    case 'who-is':
      return whoIs(request.to, request.patience)
    case 'throughput':
      return throughput(request.to, request.milliseconds)
    case 'flow-start':
      flows.set(request.id, startFlow(request.to))
      return null
    case 'flow-stop': {
      const stop = flows.get(request.flow)
      flows.delete(request.flow)
      return stop === undefined ? null : stop()
    }
  }
}

function echo(type: 'udp4' | 'udp6'): Promise<void> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' })
  socket.on('message', (bytes, { address, port }) => {
    socket.send(bytes, port, address, () => undefined)
  })
  socket.on('error', () => undefined)
  return new Promise((resolve) => {
    socket.bind(POD_PORT, resolve)
  })
}

/** The name that `to` answers with, `null` when it does not within `patience` milliseconds. */
function whoIs(to: string, patience: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port: POD_PORT })
    let text = ''
    const end = (value: string | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(value)
    }
    const timer = setTimeout(() => {
      end(null)
    }, patience)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\n')) end(text.trim())
    })
    socket.on('error', () => {
      end(null)
    })
    socket.on('end', () => {
      end(text === '' ? null : text.trim())
    })
  })
}

/** Bits a second that one TCP stream carried, counted as acknowledged by the kernel's buffer draining. */
function throughput(to: string, milliseconds: number): Promise<number | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port: POD_PORT })
    const start = performance.now()
    const stopped = (): boolean => performance.now() - start >= milliseconds
    const fill = (): void => {
      while (!stopped()) if (!socket.write(CHUNK)) return
      finish()
    }
    let done = false
    const finish = (): void => {
      if (done) return
      done = true
      const bits = Math.max(0, socket.bytesWritten - socket.writableLength) * 8
      const took = (performance.now() - start) / 1000
      socket.destroy()
      resolve(bits > 0 ? bits / took : null)
    }
    setTimeout(finish, milliseconds + 10_000).unref()
    socket.on('connect', fill)
    socket.on('drain', fill)
    socket.on('error', () => {
      done = true
      resolve(null)
    })
    socket.resume()
  })
}

/** Sends a numbered datagram every few milliseconds and counts the echoes. */
function startFlow(to: string): () => Promise<FlowResult> {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  const seen = new Set<number>()
  let sent = 0
  let last = performance.now()
  let longestGapMs = 0
  socket.on('error', () => undefined)
  let isOver: (() => void) | undefined
  socket.on('message', (message) => {
    const number = message.readUInt32BE(0)
    if (number === LAST) return isOver?.()
    seen.add(number)
    const now = performance.now()
    longestGapMs = Math.max(longestGapMs, now - last)
    last = now
  })
  const send = (number: number): void => {
    view.setUint32(0, number)
    socket.send(Uint8Array.from(bytes), POD_PORT, to, () => undefined)
  }
  const timer = setInterval(() => {
    send(sent++)
  }, FLOW_INTERVAL)
  return async () => {
    clearInterval(timer)
    longestGapMs = Math.max(longestGapMs, performance.now() - last)
    // What was sent before the last one has come when that has.
    await new Promise<void>((resolve) => {
      let left = MOST_LAST
      const ending = setInterval(() => {
        if (left-- > 0) send(LAST)
        else isOver?.()
      }, LAST_INTERVAL)
      isOver = () => {
        clearInterval(ending)
        resolve()
      }
    })
    // What took another way through the kernel than the last one.
    await new Promise((resolve) => setTimeout(resolve, 300))
    socket.close()
    return { sent, received: seen.size, longestGapMs }
  }
}
