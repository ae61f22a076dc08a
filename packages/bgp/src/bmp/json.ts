import { decodeMessage } from '../decode.js'
import { resultToJson, toJson, type Json } from '../message/json.js'
import { BMP_PEER_DOWN } from './iana.js'
import type { BmpItem } from './station.js'

/** A BMP message as plain data, with the BGP messages in it taken apart; fields as in `messageToJson`. */
export function bmpToJson({ message, update }: BmpItem): Json {
  switch (message.type) {
    case 'route-monitoring': {
      const { pdu, ...rest } = message
      return { ...fields(rest), update: { ...resultToJson(update ?? decodeMessage(pdu, { peerType: 'ibgp' })) } as Json }
    }
    case 'peer-up': {
      const { sentOpen, receivedOpen, ...rest } = message
      return { ...fields(rest), sentOpen: pduToJson(sentOpen), receivedOpen: pduToJson(receivedOpen) }
    }
    case 'peer-down': {
      const { localNotification, remoteNotification } = BMP_PEER_DOWN
      const hasPdu = message.reason === localNotification || message.reason === remoteNotification
      return hasPdu ? { ...fields(message), notification: pduToJson(message.data) } : fields(message)
    }
    default:
      return fields(message)
  }
}

function fields(value: object): { readonly [key: string]: Json } {
  return toJson(value, '') as { readonly [key: string]: Json }
}

function pduToJson(pdu: Uint8Array): Json {
  return { ...resultToJson(decodeMessage(pdu)) }
}
