import type { Json } from '@heddle/bgp'
import { printable } from '../output/table.js'

type Fields = { readonly [key: string]: Json | undefined }

/** Destinations that a line names; of more it says how many. */
const NAMED = 4

/** A record as one line for a person. */
export function recordText({ kind, json }: { readonly kind: string; readonly json: { readonly [key: string]: Json } }): string {
  return `${printable([placeOf(json), kind, contentOf(json)].filter((part) => part !== '').join('  '))}\n`
}

/** When and between whom. */
function placeOf({ time, timestamp, source, destination, peer, peerAddress, peerAs }: Fields): string {
  const when = typeof time === 'string' ? time : typeof timestamp === 'number' ? new Date(timestamp * 1000).toISOString() : ''
  if (typeof source === 'string') return `${when}  ${source} > ${text(destination)}`
  const of = fields(peer)
  if (of !== undefined) return [when, `${text(of['address'])} AS ${text(of['as'])}`].join(' ').trim()
  return peerAddress === undefined ? when : `${when}  ${text(peerAddress)} AS ${text(peerAs)}`
}

function contentOf(json: Fields): string {
  const error = fields(json['error'])
  if (error !== undefined) return `at ${text(error['offset'])} of ${text(error['path'])} (${text(error['rfc'])})`
  for (const key of ['message', 'update', 'bmp'] as const) {
    const inner = fields(json[key])
    if (inner === undefined) continue
    const whole = fields(inner['message']) ?? inner
    return key === 'bmp' ? `${placeOf(inner)} ${contentOf(inner)}`.trim() : messageText(whole, inner)
  }
  if (Array.isArray(json['entries'])) return `${destinationText(json['nlri'])}: ${json['entries'].length} paths`
  if (Array.isArray(json['peers'])) return `${json['peers'].length} peers`
  if (json['oldState'] !== undefined) return `${text(json['oldState'])} > ${text(json['newState'])}`
  if (Array.isArray(json['statistics'])) return `${json['statistics'].length} statistics`
  return json['reason'] === undefined ? '' : `reason ${text(json['reason'])}`
}

/** What a BGP message says. */
function messageText(message: Fields, result: Fields): string {
  const flaws = Array.isArray(result['errors']) ? `  ! ${result['errors'].map((one) => text(fields(one)?.['code'])).join(' ')}` : ''
  switch (message['type']) {
    case 'open':
      return `AS ${text(message['as'])}, ${text(message['routerId'])}, hold ${text(message['holdTime'])}${flaws}`
    case 'notification':
      return `${text(message['code'])}/${text(message['subcode'])} ${text(message['shutdown'] ?? '')}${flaws}`.trim()
    case 'update':
      return `${[...routes('+', message['announced']), ...routes('-', message['withdrawn'])].join('  ') || 'nothing'}${flaws}`
    default:
      return flaws.trim()
  }
}

function routes(sign: string, groups: Json | undefined): string[] {
  if (!Array.isArray(groups)) return []
  return groups.map((group) => {
    const { family, nlri, nextHop } = fields(group) ?? {}
    const list = Array.isArray(nlri) ? nlri : []
    if (list.length === 0) return `end of ${text(family)}`
    const names = list.slice(0, NAMED).map(destinationText).join(' ')
    const hop = fields(nextHop)?.['address']
    const more = list.length > NAMED ? ` and ${list.length - NAMED} more` : ''
    return `${sign}${text(family)} ${names}${more}${hop === undefined ? '' : ` via ${text(hop)}`}`
  })
}

function destinationText(nlri: Json | undefined): string {
  const { rd, prefix, kind, ...rest } = fields(nlri) ?? {}
  if (prefix === undefined) return `${text(kind)}${JSON.stringify(rest)}`
  return rd === undefined ? text(prefix) : `${text(rd)} ${text(prefix)}`
}

function fields(value: Json | undefined): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function text(value: Json | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}
