import { resultToJson, errorToJson, toJson, type Json } from '../message/json.js'
import { mrtAttributes, mrtMessage, mrtNlri, mrtTableDumpAttributes, type MrtAttributes } from './content.js'
import type { MrtRecord } from './record.js'

/** A record as plain data, with the messages and attributes in it taken apart; fields as in `messageToJson`. */
export function mrtToJson(record: MrtRecord): Json {
  switch (record.kind) {
    case 'message':
    case 'legacy-message': {
      const { pdu: _pdu, ...rest } = record
      return { ...fields(rest), message: { ...resultToJson(mrtMessage(record)) } as Json }
    }
    case 'table-dump':
      return { ...fields(record), ...attributesToJson(mrtTableDumpAttributes(record)) }
    case 'rib': {
      const nlri = mrtNlri(record)
      const entries = record.entries.map((entry) => ({
        ...fields(entry),
        ...attributesToJson(mrtAttributes(entry.attributes, record.family, true)),
      }))
      return { ...fields(record), nlri: 'handling' in nlri ? { ...errorToJson(nlri) } : toJson(nlri, ''), entries }
    }
    default:
      return fields(record)
  }
}

function attributesToJson({ attributes, nextHop, errors }: MrtAttributes): { readonly [key: string]: Json } {
  return {
    attributes: toJson(attributes, ''),
    ...(nextHop === undefined ? {} : { nextHop: toJson(nextHop, '') }),
    ...(errors.length === 0 ? {} : { errors: errors.map((error) => ({ ...errorToJson(error) })) }),
  }
}

function fields(value: object): { readonly [key: string]: Json } {
  return toJson(value, '') as { readonly [key: string]: Json }
}
