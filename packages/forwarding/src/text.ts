import type { NextHopAction } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { AddressWords } from './packet-out.js'
import type { Packet } from './packet.js'
import type { Port, Vrf } from './tables.js'

/* Names of things as an explanation writes them. */

export function sourceText(packet: Packet): string {
  return wordsText(packet.family, packet.source)
}

export function destinationText(packet: Packet): string {
  return wordsText(packet.family, packet.destination)
}

export function addressText(address: AddressWords): string {
  return wordsText(address.family, [address.w0, address.w1, address.w2, address.w3])
}

export function portText({ object }: Port): string {
  return `${object.kind} port ${object.id}`
}

export function vrfText({ object }: Vrf): string {
  return `VRF ${object.id} (${object.name})`
}

export function actionText(action: NextHopAction): string {
  switch (action.type) {
    case 'port':
      return `port ${action.port}`
    case 'tunnel':
      return `${action.encapsulation} from ${action.local} to ${action.remote}, ${
        action.encapsulation === 'vxlan' ? `VNI ${action.vni}` : `labels ${action.labels.join('/')}`
      }`
    case 'lookup':
      return `look up in VRF ${action.vrf}`
    case 'local':
      return 'the host itself'
    default:
      return `discard${action.reason === undefined ? '' : ` as ${action.reason}`}`
  }
}

export function wordsText(family: 4 | 6, words: ArrayLike<number>): string {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = Array.from(words)
  return String(family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3))
}
