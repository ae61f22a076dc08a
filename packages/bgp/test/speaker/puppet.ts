import { IpAddress } from '@heddle/wire'
import type { Connection } from '@heddle/io'
import { VPNV4_UNICAST, decodeMessage, encodeMessage, type BgpMessage } from '../../src/index.js'
import { Framer } from '../../src/session/framer.js'
import { localOpen, type LocalOpenOptions } from '../../src/session/local-open.js'
import type { Lab } from './lab.js'

/** A peer that says only what the test tells it to. */
export class Puppet {
  readonly received: BgpMessage[] = []
  ended = false
  readonly #framer = new Framer()

  constructor(readonly connection: Connection) {
    void this.#read()
  }

  static async connect(lab: Lab, from: string, to: string): Promise<Puppet> {
    const remote = { address: IpAddress.parse(to), port: 179 }
    const attempt = lab.host(from).transport.connect({ remote, localAddress: IpAddress.parse(from) })
    await lab.run(0.01)
    return new Puppet(await attempt)
  }

  send(message: BgpMessage | Uint8Array): void {
    this.connection.write(message instanceof Uint8Array ? message : encodeMessage(message))
  }

  open(routerId: string, holdTime = 9, more: Partial<LocalOpenOptions> = {}): void {
    this.send(localOpen({ as: 65000, routerId: IpAddress.parse(routerId), holdTime, families: [VPNV4_UNICAST], ...more }))
  }

  notifications(): string[] {
    return this.received.flatMap((message) => (message.type === 'notification' ? [`${message.code}/${message.subcode}`] : []))
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.connection.chunks) {
        this.#framer.push(chunk, {
          message: (bytes) => {
            const result = decodeMessage(bytes.slice())
            if (result.ok) this.received.push(result.message)
          },
          error: () => undefined,
        })
      }
    } catch {
      // a reset connection has ended too
    }
    this.ended = true
  }
}
