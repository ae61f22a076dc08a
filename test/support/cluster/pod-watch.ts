import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ControlPlane } from './control-plane.js'

/** A pod as the API server tells of it. */
export interface SeenPod {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: { readonly nodeName?: string }
  readonly status: {
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

export function isReady({ status }: SeenPod): boolean {
  return status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true
}

/** Sees pods of a namespace come up, and how long each takes from when it is made until it is ready. Milliseconds. */
export class PodWatch implements AsyncDisposable {
  readonly #child: ReturnType<typeof spawn>
  readonly #made = new Map<string, number>()
  readonly times = new Map<string, number>()

  constructor(plane: ControlPlane, namespace: string) {
    const [file, ...args] = [...plane.kubectlWords, 'get', 'pods', '-n', namespace, '--watch', '-o', 'jsonpath={@}{"\\n"}']
    this.#child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (text + piece).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) if (line !== '') this.#saw(JSON.parse(line) as SeenPod)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill()
    await ended
  }

  #saw(pod: SeenPod): void {
    const { name } = pod.metadata
    const now = performance.now()
    if (!this.#made.has(name)) this.#made.set(name, now)
    if (isReady(pod) && !this.times.has(name)) this.times.set(name, now - (this.#made.get(name) ?? now))
  }
}

/** The one in the middle. */
export function median(values: Iterable<number>): number {
  const sorted = [...values].toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
