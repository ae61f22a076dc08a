import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endProcess } from '../../../dataplane-tun/test/support/end-process.js'
import type { Namespaces } from '../../../dataplane-tun/test/support/namespaces.js'

const SCRIPT = fileURLToPath(new URL('tcp-bulk.mjs', import.meta.url))

/** Octets over TCP from one namespace to an address of another, until it is ended. */
export class EndlessStream {
  readonly #sender: ChildProcess
  readonly #receiver: ChildProcess
  readonly #said: AsyncIterator<string>

  private constructor(sender: ChildProcess, receiver: ChildProcess, said: AsyncIterator<string>) {
    this.#sender = sender
    this.#receiver = receiver
    this.#said = said
  }

  /** @throws TypeError when nobody listens */
  static async start(namespaces: Namespaces, [from, to]: readonly [string, string], address: string, port: string): Promise<EndlessStream> {
    const receiver = namespaces.start(to, process.execPath, SCRIPT, 'take', address, port)
    const said = createInterface(receiver.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]()
    const first = String((await said.next()).value)
    if (first !== 'listening') throw new TypeError(`who takes a stream says ${first}`)
    const argv = ['netns', 'exec', namespaces.name(from), process.execPath, SCRIPT, 'send', address, port]
    return new EndlessStream(spawn('ip', argv, { stdio: ['pipe', 'ignore', 'inherit'] }), receiver, said)
  }

  /** What its receiver says of it: `… octets, as they were sent`. */
  async end(): Promise<string> {
    this.#sender.stdin?.end()
    return String((await this.#said.next()).value)
  }

  /** Ends both processes, whatever has come of the stream. */
  async close(): Promise<void> {
    for (const child of [this.#sender, this.#receiver]) await endProcess(child)
  }
}
