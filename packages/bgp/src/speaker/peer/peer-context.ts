import type { CallbackFailed, Clock, Logger, Random, RouterDiscovery, Transport } from '@heddle/io'
import type { Family } from '../../nlri/family.js'
import type { ImportRules } from '../../policy/import-rules.js'
import type { RibTable } from '../../rib/rib-table.js'
import type { BgpError } from '../../validate/bgp-error.js'
import type { BfdSource } from '../bfd-source.js'
import type { ExportGroups } from '../export/export-groups.js'
import type { PrefixLevel } from '../ingest/max-prefixes.js'
import type { Peer } from './peer.js'
import type { SpeakerIdentity } from './peer-config.js'
import type { RestartDeferral } from '../restart-deferral.js'
import type { Scheduler } from '../scheduler.js'

/** What a peer shares with the rest of the speaker. */
export interface PeerContext {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly logger: Logger
  /** Takes what those who are told throw. */
  readonly failed: CallbackFailed
  readonly scheduler: Scheduler
  readonly identity: SpeakerIdentity
  readonly deferral: RestartDeferral
  readonly groups: ExportGroups
  /** Where it is told whether the way to the peer works. */
  readonly bfd: BfdSource | undefined
  /** Where it is heard of peers that are named by their device alone. */
  readonly routerDiscovery: RouterDiscovery | undefined
  /** Tells the state of a route's origin (RFC 6811); `undefined` while origins are not validated. */
  validation(): ImportRules['validate']
  tableOf(family: Family): RibTable
  /** Destinations of the table may be dirty. */
  touched(table: RibTable): void
  /** Something was written to a peer, or need not be any more. */
  exported(): void
  stateChanged(peer: Peer): void
  /** A peer was found at another address. @throws TransportError `transport.unsupported` for the protection that it needs there */
  moved(): void
  /** Nothing waits for a peer without a session any more. */
  settled(peer: Peer): void
  maxPrefixes(peer: Peer, family: Family, count: number, limit: number, level: PrefixLevel): void
  endOfRib(peer: Peer, family: Family): void
  malformed(peer: Peer, errors: readonly BgpError[], message: Uint8Array): void
}
