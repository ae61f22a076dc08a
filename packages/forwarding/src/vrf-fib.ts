import { NO_GROUP, type RouteBatch } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'

/** Routes of one VRF. */
export class VrfFib {
  readonly #routes = new Map<string, { prefix: IpPrefix; group: number }>()

  set(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    const prefix = prefixOf(family, w0, w1, w2, w3, length)
    this.#routes.set(String(prefix), { prefix, group })
  }

  delete(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number): void {
    this.#routes.delete(String(prefixOf(family, w0, w1, w2, w3, length)))
  }

  lookup(family: 4 | 6, words: Uint32Array): number {
    const address = prefixOf(family, words[0], words[1], words[2], words[3], family === 4 ? 32 : 128).address
    for (let length = address.bits as number; length >= 0; length--) {
      const found = this.#routes.get(String(IpPrefix.of(address, length)))
      if (found !== undefined) return found.group
    }
    return NO_GROUP
  }

  dump(vrf: number, out: RouteBatch): void {
    for (const { prefix, group } of this.#routes.values()) out.push(vrf, prefix, group)
  }
}

function prefixOf(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number): IpPrefix {
  return IpPrefix.of(family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3), length)
}
