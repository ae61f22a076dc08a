import {
  formatAsPath,
  mrtAttributes,
  mrtMessage,
  mrtNlri,
  type Aggregator,
  type MrtLegacyMessage,
  type MrtMessage,
  type MrtPeer,
  type MrtResult,
  type MrtRib,
  type NextHop,
  type Nlri,
  type PathAttributes,
} from '@heddle/bgp'

/** The routes of a file as bgpdump 1.6.2 prints them with `-m -t dump`: IPv4 and IPv6 unicast and multicast, one a line. */
export function bgpdumpLines(results: readonly MrtResult[]): string[] {
  let peers: readonly MrtPeer[] = []
  return results.flatMap((result) => {
    if (!result.ok) return []
    const { record } = result
    switch (record.kind) {
      case 'peer-index-table':
        peers = record.peers
        return []
      case 'rib':
        return ribLines(record, peers)
      case 'state-change':
        return [
          `${record.microseconds === undefined ? 'BGP4MP' : 'BGP4MP_ET'}|${timeOf(record)}|STATE|${record.peerAddress}|${record.peerAs}|${record.oldState}|${record.newState}`,
        ]
      case 'legacy-state-change':
        return [`BGP|${record.timestamp}|STATE|${record.peerAddress}|${record.peerAs}|${record.oldState}|${record.newState}`]
      case 'message':
      case 'legacy-message':
        return messageLines(record)
      default:
        return []
    }
  })
}

function ribLines(record: MrtRib, peers: readonly MrtPeer[]): string[] {
  const nlri = mrtNlri(record)
  if (record.generic || 'handling' in nlri || nlri.kind !== 'unicast') return []
  return record.entries.map(({ peerIndex, attributes: bytes, pathId }) => {
    const peer = peers[peerIndex]
    const { attributes, nextHop } = mrtAttributes(bytes, record.family, true)
    const hop = nextHop ?? (attributes.nextHop === undefined ? undefined : { address: attributes.nextHop })
    const head = `${record.addPath ? 'TABLE_DUMP2_AP' : 'TABLE_DUMP2'}|${record.timestamp}|B|${peer.address}|${peer.as}`
    const path = pathId === undefined ? '' : `|${pathId}`
    return `${head}|${nlri.prefix}${path}|${tail(attributes, hop)}`
  })
}

function timeOf({ timestamp, microseconds }: { readonly timestamp: number; readonly microseconds?: number }): string {
  return microseconds === undefined ? String(timestamp) : `${timestamp}.${String(microseconds).padStart(6, '0')}`
}

function messageLines(record: MrtMessage | MrtLegacyMessage): string[] {
  const result = mrtMessage(record)
  if (!result.ok || result.message.type !== 'update') return []
  const { attributes, announced, withdrawn } = result.message
  const form = record.kind === 'legacy-message' ? 'BGP' : record.microseconds === undefined ? 'BGP4MP' : 'BGP4MP_ET'
  const name = record.kind === 'message' && record.addPath ? `${form}_AP` : form
  const head = (kind: string): string => `${name}|${timeOf(record)}|${kind}|${record.peerAddress}|${record.peerAs}`
  const prefixes = (nlri: readonly Nlri[]): string[] =>
    nlri.flatMap((entry) =>
      entry.kind === 'unicast' ? [entry.pathId === undefined ? entry.prefix.toString() : `${entry.prefix}|${entry.pathId}`] : [],
    )
  return [
    ...withdrawn.flatMap(({ nlri }) => prefixes(nlri).map((prefix) => `${head('W')}|${withdrawnText(record, prefix)}`)),
    ...announced.flatMap(({ nlri, nextHop }) =>
      prefixes(nlri).map((prefix) => `${head('A')}|${prefix}|${tail(attributes, nextHop, record.kind === 'legacy-message')}`),
    ),
  ]
}

/** Of a withdrawal in the oldest records bgpdump prints the length, behind the address of the peer. */
function withdrawnText({ kind, peerAddress }: MrtMessage | MrtLegacyMessage, prefix: string): string {
  return kind === 'legacy-message' ? `${peerAddress}/${prefix.split('/')[1]}` : prefix
}

/** @param sparse the field of communities is left out where there are none, as bgpdump does with the oldest records */
function tail(attributes: PathAttributes, nextHop: NextHop | undefined, sparse = false): string {
  const { asPath = [], origin = 'incomplete', localPref = 0, med = 0, communities = [], atomicAggregate, aggregator } = attributes
  const fields = [
    formatAsPath(asPath),
    origin.toUpperCase(),
    nextHop?.address ?? '255.255.255.255',
    localPref,
    med,
    ...(sparse && communities.length === 0 ? [] : [communities.map(communityText).join(' ')]),
    atomicAggregate === true ? 'AG' : 'NAG',
    aggregator === undefined ? '' : aggregatorText(aggregator),
    '',
  ]
  return fields.join('|')
}

function aggregatorText({ as, address }: Aggregator): string {
  return `${as} ${address}`
}

const WELL_KNOWN: ReadonlyMap<number, string> = new Map([
  [0xffff_ff01, 'no-export'],
  [0xffff_ff02, 'no-advertise'],
  [0xffff_ff03, 'local-AS'],
])

function communityText(value: number): string {
  return WELL_KNOWN.get(value) ?? `${value >>> 16}:${value & 0xffff}`
}
