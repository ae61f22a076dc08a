import type { EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { Namespaces } from '../../../dataplane-tun/test/support/namespaces.js'

export const LOCAL = { 4: IpAddress.parse('192.0.2.1'), 6: IpAddress.parse('2001:db8::1') } as const
export const PEERS = {
  4: [11, 12, 13].map((host) => IpAddress.parse(`192.0.2.${host}`)),
  6: [11, 12, 13].map((host) => IpAddress.parse(`2001:db8::${host}`)),
} as const

/** A namespace for a router whose uplink leads nowhere: enough to load programs and to run them on test packets. */
export class RouterNamespace {
  readonly namespaces = new Namespaces()
  readonly #name: string

  /** @param name unlike that of any other test file: those run at the same time */
  constructor(name: string) {
    this.#name = name
    this.namespaces.add(name)
    this.namespaces.in(name, ...'ip link add up0 type veth peer name up1'.split(' '))
    for (const link of ['up0', 'up1']) this.namespaces.in(name, ...`ip link set ${link} up`.split(' '))
  }

  /** Gives the host the router's addresses, which sessions of BFD need. */
  addAddresses(): void {
    const add = (words: string): string => this.namespaces.in(this.#name, ...`ip address add ${words}`.split(' '))
    add(`${LOCAL[4]}/24 dev up0`)
    add(`${LOCAL[6]}/64 dev up0 nodad`)
  }

  async open(options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const underlayNetns = this.namespaces.path(this.#name)
    const router = await ebpfDataplane({
      addresses: [LOCAL[4], LOCAL[6]],
      uplink: 'up0',
      underlayNetns,
      fibBlocks: 8192,
      routes: 16_384,
      flows: 4096,
      ...options,
    })
    return router as EbpfRouter
  }

  close(): void {
    this.namespaces.close()
  }
}
