import { callAsync } from '../../../linux/src/native/call.js'
import type { Capture } from './capture.js'

/** Whether a capture has taken all that the kernel has handed to its link: the two are told to nobody at the same moment. */
export class Arrivals {
  readonly #namespace: string
  readonly #capture: Capture
  #arrived = 0
  #taken = 0

  constructor(namespace: string, capture: Capture) {
    this.#namespace = namespace
    this.#capture = capture
  }

  /** From now on arrivals count. */
  async begin(): Promise<void> {
    this.#arrived = await this.#read()
    this.#taken = this.#capture.taken
  }

  /** Whether the capture, as it was last read, has every frame that arrived. */
  async areTaken(): Promise<boolean> {
    return this.#capture.taken - this.#taken >= (await this.#read()) - this.#arrived
  }

  async #read(): Promise<number> {
    const text = await callAsync((native) => native.namespaceStatistics(this.#namespace, 'dev'))
    // `name: octets packets …`
    const values = new RegExp(`^ *${this.#capture.link}: *\\d+ +(\\d+)`, 'm').exec(text)
    return Number(values?.[1] ?? Number.NaN)
  }
}
