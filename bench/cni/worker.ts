// Calls a plugin from inside the namespace that is its host, and says how long each call took: no `nsenter` is in the figures.
import { readFileSync } from 'node:fs'
import { callPlugin, type Plugin, type PodPlace } from './call.ts'

export interface Job {
  readonly plugin: Plugin
  readonly pods: readonly PodPlace[]
  /** Calls at once. */
  readonly parallel: number
  readonly verb: 'ADD' | 'DEL'
}

export interface Outcome {
  /** Milliseconds of each call. */
  readonly times: readonly number[]
  /** From the first call to the end of the last one. */
  readonly seconds: number
  /** Processor time of the executables, milliseconds. */
  readonly cpu: number
}

async function run({ plugin, pods, parallel, verb }: Job): Promise<Outcome> {
  const times: number[] = []
  const waiting = [...pods]
  const [cpu, begin] = [childrenCpu(), performance.now()]
  const lane = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) times.push(await callPlugin(verb, plugin, pod))
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  return { times, seconds: (performance.now() - begin) / 1000, cpu: childrenCpu() - cpu }
}

/** Of the processes that this one has waited for (proc(5): `cutime`, `cstime`, in hundredths of a second). */
function childrenCpu(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

process.on('message', (job: Job) => {
  run(job).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.message }),
  )
})
process.send?.({ ready: true })
