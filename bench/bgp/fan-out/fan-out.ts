import type { Measure } from '../../harness/result.ts'
import type { Context, PartFigures } from '../../harness/run.ts'
import { Daemon } from '../daemon/daemon.ts'
import { freePort } from '../daemon/free-port.ts'
import { packedUpdates } from '../daemon/heddle-metrics.ts'
import { heddle } from '../daemon/heddle.ts'
import { softwareOf } from '../daemon/reflector.ts'
import { HOLD_TIME } from '../peer/session.ts'
import { TimerWatch, timerMeasures, type Lateness } from '../probe/timer-watch.ts'
import { INJECTOR } from '../reflect/round.ts'
import { onStage, type Stage } from '../reflect/stage.ts'

const ADDRESS = '127.0.60.21'
const OPEN_TIMEOUT = 30_000
/** Octets that a receiver's session keeps together: more than the table has. */
const BLOCK = 4 << 20

interface Size {
  readonly peers: number
  readonly routes: number
  readonly rounds: number
}

export interface FanOutRound {
  /** Seconds from the first byte in to the last route at the last peer. */
  readonly seconds: number
  /** UPDATEs that the daemon packed for each that differs from all others. */
  readonly packed: number
  readonly peak: number
  readonly cpu: { readonly daemon: number; readonly receiver: number }
  readonly silence: number
  readonly lateness: Lateness
}

/** One peer injects, and very many are told. */
export async function fanOut(context: Context): Promise<PartFigures> {
  const { peers, routes, rounds }: Size = context.quick
    ? { peers: 50, routes: 10_000, rounds: 1 }
    : { peers: 200, routes: 100_000, rounds: 3 }
  return onStage('vpnv4', routes, async (stage) => {
    const played: FanOutRound[] = []
    for (let round = 0; round < rounds; round++) {
      context.signal.throwIfAborted()
      played.push(await runFanOut(stage, peers))
      const { seconds, cpu } = played.at(-1)!
      context.progress(
        `round ${round + 1}: ${seconds.toFixed(2)} s, processor of daemon ${cpu.daemon.toFixed(2)} s, of receivers ${cpu.receiver.toFixed(2)} s`,
      )
    }
    return { software: softwareOf([heddle]), measures: measuresOf(played) }
  })
}

/** One round. @throws TypeError when a session ends, or a table is not what was announced */
export async function runFanOut({ family, workload, injector, receiver, idle }: Stage, peers: number): Promise<FanOutRound> {
  const receivers = Array.from({ length: peers }, (_, at) => `127.0.62.${at + 1}`)
  const port = await freePort(ADDRESS)
  await using daemon = new Daemon(heddle, { address: ADDRESS, port, managementPort: 0, family, clients: [INJECTOR, ...receivers] })
  const open = { remote: ADDRESS, port, timeout: OPEN_TIMEOUT }
  await Promise.all([
    injector.call('open', { ...open, id: INJECTOR }),
    ...receivers.map((id) => receiver.call('open', { ...open, id, block: BLOCK })),
  ])
  // the End-of-RIB, which is packed too
  await Promise.all(receivers.map((id) => receiver.call('arm', { id, target: { updates: 1 } })))
  await Promise.all(receivers.map((id) => receiver.call('reached', { id })))
  await Promise.all(receivers.map((id) => receiver.call('arm', { id, target: { announced: workload.routes } })))
  const packedBefore = await packedUpdates(daemon.directory)
  await receiver.call('usage', {})
  const before = daemon.cpu
  const timers = new TimerWatch(daemon.probe, idle)
  const seconds = await timers.during(async () => {
    const [{ first }, ...reached] = await Promise.all([
      injector.call('send', { id: INJECTOR, what: 'announcements' }),
      ...receivers.map((id) => receiver.call('reached', { id })),
    ])
    return (Math.max(...reached.map(({ at }) => at)) - first) / 1000
  })
  const cpu = { daemon: daemon.cpu - before, receiver: (await receiver.call('usage', {})).cpu / 1000 }
  const packed = (await packedUpdates(daemon.directory)) - packedBefore

  const { differences, distinctUpdates } = await receiver.call('judgeAlike', { ids: receivers, originator: INJECTOR, cluster: ADDRESS })
  if (differences.length > 0) throw new TypeError(`a table is not what was announced:\n${differences.join('\n')}`)
  const sessions = await Promise.all(receivers.map((id) => receiver.call('session', { id })))
  const ended = sessions.find((session) => session.ended !== undefined)
  if (ended !== undefined) throw new TypeError(`a session ended, of a hold time of ${HOLD_TIME} s: ${ended.ended}`)
  const silence = Math.max(...sessions.map(({ longestSilence }) => longestSilence)) / 1000
  const peak = daemon.peakMemory
  await Promise.all([injector.call('break', { id: INJECTOR }), ...receivers.map((id) => receiver.call('break', { id }))])
  return { seconds, packed: packed / distinctUpdates, peak, cpu, silence, lateness: timers.lateness }
}

function measuresOf(rounds: readonly FanOutRound[]): Measure[] {
  const measure = (id: string, title: string, unit: string, pick: (round: FanOutRound) => number, limit?: number): Measure => ({
    id,
    title,
    unit,
    better: 'lower',
    ...(limit === undefined ? {} : { of: 'worst', goals: [{ kind: 'at-most', limit }] }),
    series: [{ name: heddle.name, rounds: rounds.map(pick) }],
  })
  return [
    measure('fan-out', 'First byte in to last route at the last peer', 's', ({ seconds }) => seconds),
    measure('packed', 'UPDATEs packed for each that was sent', '×', ({ packed }) => packed, 1),
    measure('peak', 'Peak resident memory', 'MiB', ({ peak }) => peak),
    measure('cpu', 'Processor time', 's', ({ cpu }) => cpu.daemon),
    measure('cpu-receiver', 'Processor time of the receivers meanwhile', 's', ({ cpu }) => cpu.receiver),
    measure(
      'silence',
      `Longest time without a message from the daemon, of a hold time of ${HOLD_TIME} s`,
      's',
      ({ silence }) => silence,
      HOLD_TIME,
    ),
    ...timerMeasures(
      heddle.name,
      rounds.map(({ lateness }) => lateness),
    ),
  ]
}
