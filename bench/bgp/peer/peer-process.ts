import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Params, PeerMethod, PeerRequest, PeerResponse } from './protocol.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** A peer in a process of its own. */
export class PeerProcess implements AsyncDisposable {
  readonly #child: ChildProcess = fork(MAIN, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  readonly #waiting = new Map<number, Waiting>()
  #requests = 0

  constructor() {
    this.#child.on('message', ({ id, result, error }: PeerResponse) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new TypeError(error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new TypeError(`the peer process ended with ${signal ?? code}`))
      this.#waiting.clear()
    })
  }

  /** Has the peer do something. @throws TypeError what the peer says went wrong, or the reason of `signal` */
  call<M extends PeerMethod>(method: M, params: Params<M>, signal?: AbortSignal): Promise<Answer<M>> {
    const id = ++this.#requests
    const request: PeerRequest = { id, method, params }
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const onAbort = (): void => {
        this.#waiting.delete(id)
        reject(signal?.reason as Error)
      }
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.set(id, {
        resolve: (value) => (settled(), resolve(value as Answer<M>)),
        reject: (error) => (settled(), reject(error)),
      })
      this.#child.send(request)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}
