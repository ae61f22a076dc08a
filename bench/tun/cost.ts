// node bench/tun/cost.ts [super|wire] [STREAMS] [ROUNDS]: what a gigabyte of TCP costs each contender, and in what portions it crosses.
// README.md says what came out. After `npm run bench:tun -- --quick`, which builds what is needed.
import { readFileSync, readdirSync } from 'node:fs'
import { NAMES, POD, setUnderlay, type Contender, type ContenderKind, type Underlay } from './contender.ts'
import { outputOf, type Namespaces } from './namespaces.ts'
import { compiled } from './native-tools.ts'
import { start, type StartOptions } from './start.ts'

const PORT = 5203
const SECONDS = 1.5
const WAYS: readonly { readonly kind: ContenderKind; readonly how: string; readonly options: StartOptions }[] = [
  { kind: 'heddle', how: 'a thread a direction', options: {} },
  { kind: 'heddle', how: 'one thread', options: { workers: 1 } },
  { kind: 'c', how: 'a thread a direction', options: {} },
  { kind: 'c', how: 'one thread', options: { shape: 'one' } },
  { kind: 'c', how: 'flows on two threads', options: { shape: 'flows' } },
  { kind: 'vxlan', how: '', options: {} },
]

/** Of the threads that carry or make traffic, since they began. */
interface Spent {
  readonly seconds: number
  readonly switches: number
}

/** A round; all but the first two a gigabyte. */
interface Round {
  readonly gbits: number
  readonly idle: number
  readonly seconds: number
  readonly switches: number
  readonly segments: number
  readonly acknowledgments: number
  readonly retransmitted: number
}

const [underlay = 'wire', streams = '4', rounds = '5'] = process.argv.slice(2)
const traffic = compiled('traffic')
const contenders: { readonly name: string; readonly contender: Contender; readonly rounds: Round[] }[] = []
try {
  for (const { kind, how, options } of WAYS) {
    const contender = await start(kind, options)
    contenders.push({ name: `${NAMES[kind]} ${how}`, contender, rounds: [] })
    const { namespaces } = contender
    setUnderlay(namespaces, underlay as Underlay)
    await namespaces.serve('pod-b', [traffic, 'tcp-serve', `${PORT}`])
    await blast(namespaces, SECONDS)
  }
  for (let round = 0; round < Number(rounds); round++) {
    for (const { contender, rounds } of contenders) rounds.push(await measure(contender.namespaces))
  }
  const columns = ['gbits', 'idle', 'seconds', 'switches', 'segments', 'acknowledgments', 'retransmitted'] as const
  console.log(['', ...columns].join('\t'))
  for (const { name, rounds } of contenders) {
    const medians = columns.map((column) => median(rounds.map((round) => round[column])))
    console.log([name, ...medians.map((figure) => (figure < 100 ? figure.toFixed(2) : figure.toFixed(0)))].join('\t'))
  }
} finally {
  for (const { contender } of contenders) await contender.close()
}

async function measure(namespaces: Namespaces): Promise<Round> {
  const [sender, receiver, spent, idle] = [tcp(namespaces, 'pod-a'), tcp(namespaces, 'pod-b'), spentNow(), idleNow()]
  const [octets, time, during] = await blast(namespaces, SECONDS)
  const share = (idleNow() - idle) / time
  const gigabytes = octets / 1e9
  const of = (now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>, name: string): number =>
    ((now.get(name) ?? 0) - (before.get(name) ?? 0)) / gigabytes
  const [sent, arrived] = [tcp(namespaces, 'pod-a'), tcp(namespaces, 'pod-b')]
  return {
    gbits: (octets * 8) / time / 1e9,
    idle: share,
    seconds: (((during.seconds - spent.seconds) / SECONDS) * time) / gigabytes,
    switches: (((during.switches - spent.switches) / SECONDS) * time) / gigabytes,
    segments: of(arrived, receiver, 'packets'),
    acknowledgments: of(arrived, receiver, 'OutSegs'),
    retransmitted: of(sent, sender, 'RetransSegs'),
  }
}

/** Octets that arrived, seconds, and what was spent just before the end, when the threads of the stream are still there. */
async function blast(namespaces: Namespaces, seconds: number): Promise<[number, number, Spent]> {
  const child = namespaces.start('pod-a', [traffic, 'tcp-blast', POD.b, `${PORT}`, streams, `${seconds}`])
  const during = new Promise<Spent>((resolve) => setTimeout(() => resolve(spentNow()), seconds * 1000))
  const [octets = 0, time = 1] = (await outputOf(child)).split(' ').map(Number)
  return [octets, time, await during]
}

function spentNow(): Spent {
  let [seconds, switches] = [0, 0]
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      const isOurs = /^heddle-forwarder|bench\/tun\/(forwarder|traffic)/.test(command)
      if (!isOurs && !readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('ksoftirqd')) continue
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const of = (file: string): string => readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'utf8')
        seconds += Number(of('schedstat').split(' ')[0]) / 1e9
        for (const [, count] of of('status').matchAll(/ctxt_switches:\s+(\d+)/g)) switches += Number(count)
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return { seconds, switches }
}

/** Processors' time without work, seconds. */
function idleNow(): number {
  return Number(/^cpu +(?:\d+ ){3}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1]) / 100
}

/** Counters of TCP in a namespace, and packets that its device was handed. */
function tcp(namespaces: Namespaces, short: string): Map<string, number> {
  const [names = [], values = []] = namespaces
    .run(short, 'cat /proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '))
  const packets = Number(/eth0:\s*\d+\s+(\d+)/.exec(namespaces.run(short, 'cat /proc/net/dev'))?.[1])
  return new Map([...names.map((name, at): [string, number] => [name, Number(values[at])]), ['packets', packets]])
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? 0
}
