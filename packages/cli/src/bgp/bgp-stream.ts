import {
  bgpAttributesRows,
  bgpExplainRows,
  bgpNeighborRows,
  bgpPolicyRows,
  bgpRouteRows,
  bgpStatisticsRows,
  bgpWatchRows,
} from '@heddle/agent'
import type { Speaker } from '@heddle/bgp'
import { ControlError, type RowStream } from '../control/protocol.js'
import type { BgpRequest } from './bgp-request.js'
import { inPieces, inSlices } from './pieces.js'
import { traceRows } from './trace-rows.js'

/**
 * The rows of a view, in pieces: a table of any size is walked while the speaker works, and never held as a whole.
 *
 * @param signal ends views that go on
 */
export function bgpStream(speaker: Speaker, request: BgpRequest, signal: AbortSignal): RowStream {
  const { what, peer } = request
  switch (what) {
    case 'neighbors':
      return inSlices(bgpNeighborRows(speaker, known(speaker, peer)))
    case 'policies':
      return inSlices(bgpPolicyRows(speaker).filter(({ neighbor }) => peer === undefined || neighbor === known(speaker, peer)))
    case 'metrics':
      return inSlices([speaker.metrics()])
    case 'routes':
      return inSlices(bgpRouteRows(speaker, request))
    case 'attributes':
      return inSlices(bgpAttributesRows(speaker, request))
    case 'explain':
      return inSlices(bgpExplainRows(speaker, request))
    case 'statistics':
      return inSlices(bgpStatisticsRows(speaker))
    case 'watch':
      return inPieces(bgpWatchRows(speaker, request, signal))
    default:
      return inPieces(traceRows(speaker, peer ?? '', signal))
  }
}

/** Neighbors that an error names. */
const MOST_NAMED = 8

function known(speaker: Speaker, peer: string | undefined): string | undefined {
  const names = speaker.neighbors().map(({ address }) => address)
  if (peer === undefined || names.includes(peer)) return peer
  const some = `${names.slice(0, MOST_NAMED).join(', ')}${names.length > MOST_NAMED ? ', …' : ''}`
  throw new ControlError('control.params', `no neighbor has the address ${peer}; there ${names.length === 0 ? 'is none' : `are: ${some}`}`)
}
