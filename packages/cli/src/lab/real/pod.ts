import { createInterface } from 'node:readline'
import { LabError } from '../errors.js'
import type { Flow, FlowResult, PingResult } from '../lab.js'
import { POD_IFNAME, type LabPod } from '../topology.js'
import { attempt, ip } from './command.js'
import type { PodAnswer, PodRequest } from './pod-protocol.js'
import { LabProcess } from './process.js'

type Question = PodRequest extends infer R ? (R extends PodRequest ? Omit<R, 'id'> : never) : never

/** A pod of the demo: a network namespace and a program in it that can be asked. Its device is the virtual router's matter. */
export class RealPod {
  readonly #waiting = new Map<number, (value: unknown) => void>()
  #process: LabProcess | undefined
  #nextId = 1

  constructor(
    readonly pod: LabPod,
    /** Script that runs `heddle`. */
    readonly executable: string,
    /** For its log. */
    readonly dir: string,
  ) {}

  get netns(): string {
    return `/run/netns/${this.pod.name}`
  }

  async create(): Promise<void> {
    await ip(`netns add ${this.pod.name}`)
    await ip(`-n ${this.pod.name} link set lo up`)
    this.#process = LabProcess.start(this.pod.name, this.pod.name, process.execPath, [this.executable, 'lab-pod', this.pod.name], {
      log: `${this.dir}/${this.pod.name}.log`,
      pipe: true,
    })
    const ready = new Promise<unknown>((resolve) => {
      this.#waiting.set(0, resolve)
    })
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const { id, value } = JSON.parse(line) as PodAnswer
      this.#waiting.get(id)?.(value)
      this.#waiting.delete(id)
    })
    await Promise.race([ready, this.#failed(this.#process)])
  }

  async ping(to: string, count: number, patience: number): Promise<PingResult> {
    const { stdout } = await attempt('nsenter', [
      `--net=${this.netns}`,
      'ping',
      '-n',
      '-I',
      POD_IFNAME,
      '-c',
      String(count),
      '-i',
      '0.2',
      '-W',
      String(patience / 1000),
      to,
    ])
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? []
    const rtt = /= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1]
    return { sent: Number(sent ?? count), received: Number(received ?? 0), ...(rtt === undefined ? {} : { rttMs: Number(rtt) }) }
  }

  async whoIs(to: string, patience: number): Promise<string | undefined> {
    return ((await this.#ask({ op: 'who-is', to, patience })) as string | null) ?? undefined
  }

  async throughput(to: string, milliseconds: number): Promise<number | undefined> {
    return ((await this.#ask({ op: 'throughput', to, milliseconds })) as number | null) ?? undefined
  }

  async flow(to: string): Promise<Flow> {
    const flow = this.#nextId
    await this.#ask({ op: 'flow-start', to })
    return { stop: async () => (await this.#ask({ op: 'flow-stop', flow })) as FlowResult }
  }

  async remove(): Promise<void> {
    await this.#process?.stop('SIGKILL')
    await attempt('ip', ['netns', 'del', this.pod.name])
  }

  async #ask(question: Question): Promise<unknown> {
    const running = this.#process
    if (running === undefined) throw new LabError('lab.pod', `pod ${this.pod.name} was not created`)
    const id = this.#nextId++
    const answer = new Promise<unknown>((resolve) => {
      this.#waiting.set(id, resolve)
    })
    running.stdin.write(`${JSON.stringify({ id, ...question })}\n`)
    return Promise.race([answer, this.#failed(running)])
  }

  async #failed(running: LabProcess): Promise<never> {
    await running.ended
    throw new LabError('lab.pod', `pod ${this.pod.name} ended, see ${this.dir}/${this.pod.name}.log`)
  }
}
