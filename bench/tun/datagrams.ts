import { POD } from './contender.ts'
import { outputOf, type Namespaces } from './namespaces.ts'
import { compiled } from './native-tools.ts'

/** Seconds of a stream that nobody ends. */
const FOREVER = 3600
const PORT = 9
const FLOWS = 4
/** Of a packet. */
const OCTETS = 64
/** Of room at the receiver, MiB: what comes in seconds, while it waits for a processor. */
const ROOM = 64

/** A stream of datagrams from pod a to pod b. */
export interface Datagrams {
  /** Ends it before its time. */
  end(): void
  /** Once it has ended, and what was under way has come. */
  readonly figures: Promise<DatagramFigures>
}

export interface DatagramFigures {
  readonly sent: number
  readonly arrived: number
  /** For which it was sent. */
  readonly seconds: number
}

/** Sends `rate` datagrams a second by the clock: what waited for a processor is made up for, and nobody waits for the receiver. */
export async function sendDatagrams(namespaces: Namespaces, rate: number, seconds = FOREVER): Promise<Datagrams> {
  const traffic = compiled('traffic')
  const counter = await namespaces.serve('pod-b', [traffic, 'udp-count', `${PORT}`, `${FOREVER}`, `${ROOM}`])
  const counted = outputOf(counter)
  const source = namespaces.start('pod-a', [traffic, 'udp-blast', POD.b, `${PORT}`, `${OCTETS}`, `${FLOWS}`, `${seconds}`, `${rate}`])
  const figures = (async () => {
    const [sent, time] = numbers(await outputOf(source))
    counter.kill('SIGTERM')
    const [arrived] = numbers(await counted)
    return { sent, arrived, seconds: time }
  })()
  // Whoever waits for them is told.
  figures.catch(() => undefined)
  return { end: () => void source.kill('SIGTERM'), figures }
}

function numbers(line: string): number[] {
  return line.split(' ').map(Number)
}
