import { ValueError } from '@heddle/wire'
import { WELL_KNOWN_COMMUNITY } from '../iana.js'

const NAMES: ReadonlyMap<number, string> = new Map([
  [WELL_KNOWN_COMMUNITY.gracefulShutdown, 'graceful-shutdown'],
  [WELL_KNOWN_COMMUNITY.llgrStale, 'llgr-stale'],
  [WELL_KNOWN_COMMUNITY.noLlgr, 'no-llgr'],
  [WELL_KNOWN_COMMUNITY.blackhole, 'blackhole'],
  [WELL_KNOWN_COMMUNITY.noExport, 'no-export'],
  [WELL_KNOWN_COMMUNITY.noAdvertise, 'no-advertise'],
  [WELL_KNOWN_COMMUNITY.noExportSubconfed, 'no-export-subconfed'],
  [WELL_KNOWN_COMMUNITY.noPeer, 'no-peer'],
])

/** `65000:100`, or the name of a well-known community (RFC 1997). */
export function formatCommunity(community: number): string {
  return NAMES.get(community) ?? `${community >>> 16}:${community & 0xffff}`
}

/** Reads what `formatCommunity` writes. @throws ValueError `bgp.community.invalid` */
export function parseCommunity(text: string): number {
  for (const [community, name] of NAMES) if (name === text) return community
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text)
  const high = Number(match?.[1] ?? Number.NaN)
  const low = Number(match?.[2] ?? Number.NaN)
  if (!(high <= 0xffff && low <= 0xffff))
    throw new ValueError('bgp.community.invalid', text, 'AS:NUMBER with 0–65,535 each, or a well-known name')
  return ((high << 16) | low) >>> 0
}
