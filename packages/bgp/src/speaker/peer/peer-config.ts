import type { StreamProtection } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { DEFAULT_FSM_CONFIG, type FsmConfig } from '../../fsm/config.js'
import { familyByName, type Family } from '../../nlri/family.js'
import { isUsableAs } from '../../session/local-open.js'
import { compilePolicy, type CompiledPolicy } from '../../policy/compiled-policy.js'
import { PolicyError } from '../../policy/policy-error.js'
import type { PolicyTerm } from '../../policy/policy.js'
import { parsePolicy } from '../../policy/policy-text.js'
import {
  SPOKEN_FAMILIES,
  type GracefulRestartConfig,
  type NeighborConfig,
  type PeerLimits,
  type SpeakerConfig,
  type SpeakerGracefulRestartConfig,
} from '../config.js'
import { behind, checkCustomer, siteTerms, vrfAsOf } from './customer.js'
import { SpeakerError } from '../speaker-error.js'
import { parseZoned, unnumberedDevice, zonedText } from '../zoned-address.js'

const SPOKEN: ReadonlySet<string> = new Set(SPOKEN_FAMILIES)

const DEFAULT_PORT = 179
const DEFAULT_CONNECT_RETRY = 10
const DEFAULT_RESTART_TIME = 120
/** Seconds between attempts with a peer that refuses or has just been lost: a peer whose process restarts is back at once. */
const IDLE_HOLD = { least: 0.5, most: 2 } as const

/** The speaker's own values, checked. */
export interface SpeakerIdentity {
  readonly as: number
  readonly routerId: IpAddress
  readonly restarting: boolean
  readonly selectionDeferral: number
}

/** A neighbor's values with defaults filled in, checked. */
export interface PeerConfig {
  readonly neighbor: NeighborConfig
  /** The address in canonical text, with its device, or the device alone: the peer's name. */
  readonly name: string
  /** Absent: the peer is whoever is heard on the device `zone`. */
  readonly address?: IpAddress
  /** Device through which the peer is reached. */
  readonly zone?: string
  readonly port: number
  readonly localAddress?: IpAddress
  readonly families: readonly Family[]
  readonly fsm: FsmConfig
  readonly gracefulRestart?: Required<GracefulRestartConfig>
  readonly importPolicy?: CompiledPolicy
  readonly exportPolicy?: CompiledPolicy
  readonly limits: Required<PeerLimits>
  /** What the streams to and from the peer must have. */
  readonly protection?: StreamProtection
  /** In our AS, in another member AS of our confederation, or outside. */
  readonly relation: PeerRelation
  /** The AS number by which the peer knows us (RFC 5065 §4). */
  readonly localAs: number
  /** AS number of our confederation. */
  readonly confederation?: number
  /** The cluster that we reflect for. */
  readonly clusterId: IpAddress
  /** Seconds that stale routes wait for End-of-RIB once the session is back. */
  readonly staleTime: number
}

/** What of a neighbor's configuration protects its streams. */
type ProtectionConfig = Pick<NeighborConfig, 'multihop' | 'ttlSecurity' | 'authentication'>

/** Where a peer is. */
export type PeerRelation = 'internal' | 'member' | 'external'

/** @throws SpeakerError `speaker.config` */
export function speakerIdentity(config: SpeakerConfig): SpeakerIdentity {
  checkAs(config.as, 'as')
  const routerId = ipv4(config.routerId, 'routerId')
  void clusterOf(config)
  // whether or not there is a neighbor yet that has nothing of its own
  checkHoldTime(config.holdTime ?? DEFAULT_FSM_CONFIG.holdTime, 'holdTime')
  checkRestart(restartOf(config), 'gracefulRestart')
  const { restarting = false, selectionDeferral = 360 } = restartOf(config)
  checkConfederation(config.confederation)
  return { as: config.as, routerId, restarting, selectionDeferral }
}

function clusterOf({ routerId, clusterId }: SpeakerConfig): IpAddress {
  return clusterId === undefined ? ipv4(routerId, 'routerId') : ipv4(clusterId, 'clusterId')
}

function restartOf({ gracefulRestart }: SpeakerConfig): SpeakerGracefulRestartConfig {
  return typeof gracefulRestart === 'object' ? gracefulRestart : {}
}

/** @param at where the neighbor stands in the configuration @throws SpeakerError `speaker.config` */
export function peerConfig(neighbor: NeighborConfig, speaker: SpeakerConfig, at: string): PeerConfig {
  const place = placeOf(neighbor.address, `${at}.address`)
  checkAs(neighbor.as, `${at}.as`)
  const holdTime = neighbor.holdTime ?? speaker.holdTime ?? DEFAULT_FSM_CONFIG.holdTime
  checkHoldTime(holdTime, `${at}.holdTime`)
  const localAddress =
    neighbor.localAddress === undefined
      ? undefined
      : (IpAddress.tryParse(neighbor.localAddress) ?? fail(`${at}.localAddress`, `${neighbor.localAddress} is not an IP address`))
  if (neighbor.families.length === 0) fail(`${at}.families`, 'at least one is needed')
  const connectRetryTime = seconds(neighbor.connectRetry ?? DEFAULT_CONNECT_RETRY, `${at}.connectRetry`)
  const delayOpenTime = seconds(neighbor.delayOpen ?? 0, `${at}.delayOpen`)
  seconds(neighbor.advertisementInterval ?? 0, `${at}.advertisementInterval`)
  const gracefulRestart = restartConfig(neighbor, speaker, at)
  range(neighbor.addPathLimit ?? 1, 1, 64, `${at}.addPathLimit`)
  range(neighbor.allowAsIn ?? 0, 0, 10, `${at}.allowAsIn`)
  const limits = { asPath: neighbor.limits?.asPath ?? 1024, attributes: neighbor.limits?.attributes ?? 0xffff }
  range(limits.asPath, 1, 16_383, `${at}.limits.asPath`)
  range(limits.attributes, 64, 0xffff, `${at}.limits.attributes`)
  for (const [family, { limit, warning = 75, restart = 0 }] of Object.entries(neighbor.maxPrefixes ?? {})) {
    range(limit, 1, 0xffff_ffff, `${at}.maxPrefixes.${family}.limit`)
    range(warning, 1, 100, `${at}.maxPrefixes.${family}.warning`)
    seconds(restart, `${at}.maxPrefixes.${family}.restart`)
  }
  const sendHoldTime = neighbor.sendHoldTime ?? DEFAULT_FSM_CONFIG.sendHoldTime
  range(sendHoldTime, 0, 0xffff, `${at}.sendHoldTime`)
  const protection = protectionOf(neighbor, at)
  checkCustomer(neighbor, speaker, at)
  const site = siteTerms(neighbor.siteOfOrigin, at)
  const importPolicy = policyOf(neighbor.importPolicy, site?.imports, `${at}.importPolicy`)
  const exportPolicy = policyOf(neighbor.exportPolicy, site?.exports, `${at}.exportPolicy`)
  const vrfAs = vrfAsOf(neighbor, speaker)
  const relation = relationOf(neighbor, vrfAs ?? speaker.as, speaker)
  if (neighbor.role !== undefined && relation !== 'external') fail(`${at}.role`, 'only a peer in another AS has one')
  return {
    neighbor,
    ...place,
    port: neighbor.port ?? DEFAULT_PORT,
    ...(localAddress === undefined ? {} : { localAddress }),
    families: neighbor.families.map((name) => {
      const family = SPOKEN.has(name) ? familyByName(name) : undefined
      return family ?? fail(`${at}.families`, `${name} is not one of ${[...SPOKEN].join(', ')}`)
    }),
    fsm: {
      ...DEFAULT_FSM_CONFIG,
      holdTime,
      sendHoldTime,
      connectRetryTime,
      idleHoldTime: Math.min(IDLE_HOLD.least, connectRetryTime),
      idleHoldLimit: Math.min(IDLE_HOLD.most, connectRetryTime),
      delayOpen: delayOpenTime > 0,
      delayOpenTime,
      passive: neighbor.passive ?? false,
    },
    ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
    ...(importPolicy === undefined ? {} : { importPolicy }),
    ...(exportPolicy === undefined ? {} : { exportPolicy }),
    limits,
    ...(protection === undefined ? {} : { protection }),
    relation,
    localAs: vrfAs ?? (relation === 'external' ? (speaker.confederation?.id ?? speaker.as) : speaker.as),
    ...(speaker.confederation === undefined ? {} : { confederation: speaker.confederation.id }),
    clusterId: clusterOf(speaker),
    staleTime: restartOf(speaker).staleTime ?? 360,
  }
}

/**
 * What the streams to and from a peer must have.
 *
 * @param at where the neighbor stands in the configuration
 * @throws SpeakerError `speaker.config`
 */
export function protectionOf({ multihop, ttlSecurity, authentication }: ProtectionConfig, at: string): StreamProtection | undefined {
  if (multihop !== undefined) range(multihop, 1, 255, `${at}.multihop`)
  if (ttlSecurity !== undefined) range(ttlSecurity, 1, 255, `${at}.ttlSecurity`)
  if (multihop === undefined && ttlSecurity === undefined && authentication === undefined) return undefined
  // RFC 5082 §3: what is sent has the largest value, so that the peer can count
  const hopLimit = ttlSecurity === undefined ? multihop : 255
  return {
    ...(hopLimit === undefined ? {} : { hopLimit }),
    ...(ttlSecurity === undefined ? {} : { minimumHopLimit: 256 - ttlSecurity }),
    ...(authentication === undefined ? {} : { authentication }),
  }
}

/** @throws SpeakerError `speaker.config` */
export function checkConfederation(confederation: SpeakerConfig['confederation']): void {
  if (confederation === undefined) return
  checkAs(confederation.id, 'confederation.id')
  confederation.members.forEach((as, at) => checkAs(as, `confederation.members[${at}]`))
}

/** What a neighbor's address says: its name, and where it is. */
function placeOf(text: string, at: string): Pick<PeerConfig, 'name' | 'address' | 'zone'> {
  const device = unnumberedDevice(text)
  if (device !== undefined) return { name: text, zone: device }
  const zoned = parseZoned(text) ?? fail(at, `${text} is not an IP address`)
  const { address, zone } = zoned
  if (address.family === 6 && address.isLinkLocal && zone === undefined) {
    fail(at, `${address} means something on one link only: ${address}%DEVICE`)
  }
  return { name: zonedText(zoned), ...zoned }
}

function relationOf({ as, vrf }: NeighborConfig, own: number, { confederation }: SpeakerConfig): PeerRelation {
  if (as === own) return 'internal'
  return vrf === undefined && confederation?.members.includes(as) === true ? 'member' : 'external'
}

function policyOf(policy: NeighborConfig['importPolicy'], first: PolicyTerm | undefined, at: string): CompiledPolicy | undefined {
  try {
    const whole = behind(first, typeof policy === 'string' ? parsePolicy(policy) : policy)
    return whole === undefined ? undefined : compilePolicy(whole)
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause
    throw new SpeakerError('speaker.config', at, cause.message, { cause })
  }
}

function restartConfig(neighbor: NeighborConfig, speaker: SpeakerConfig, at: string): Required<GracefulRestartConfig> | undefined {
  const own = neighbor.gracefulRestart ?? speaker.gracefulRestart ?? true
  if (own === false) return undefined
  const general = restartOf(speaker)
  const special = typeof own === 'object' ? own : {}
  const restartTime = special.restartTime ?? general.restartTime ?? DEFAULT_RESTART_TIME
  const longLived = special.longLived ?? general.longLived ?? 0
  checkRestart({ restartTime, longLived }, `${at}.gracefulRestart`)
  return {
    restartTime,
    forwardingPreserved: special.forwardingPreserved ?? general.forwardingPreserved ?? true,
    notification: special.notification ?? general.notification ?? false,
    longLived,
  }
}

function checkRestart({ restartTime = DEFAULT_RESTART_TIME, longLived = 0 }: GracefulRestartConfig, at: string): void {
  range(restartTime, 0, 4095, `${at}.restartTime`)
  range(longLived, 0, 0xff_ffff, `${at}.longLived`)
}

function checkHoldTime(holdTime: number, at: string): void {
  const isUsable = Number.isInteger(holdTime) && (holdTime === 0 || (holdTime >= 3 && holdTime <= 0xffff))
  if (!isUsable) fail(at, `${holdTime} is not 0 or 3–65535`)
}

function range(value: number, least: number, most: number, at: string): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) fail(at, `${value} is not ${least}–${most}`)
}

function seconds(value: number, at: string): number {
  return value >= 0 && value < 2 ** 31 / 1000 ? value : fail(at, `${value} is not a number of seconds`)
}

function checkAs(as: number, at: string): void {
  if (!isUsableAs(as)) fail(at, `${as} is not an AS number (1–4294967295, not 23456)`)
}

function ipv4(text: string, at: string): IpAddress {
  const address = IpAddress.tryParse(text)
  if (address?.family !== 4 || address.isUnspecified) return fail(at, `${text} is not an IPv4 address other than 0.0.0.0`)
  return address
}

function fail(at: string, message: string): never {
  throw new SpeakerError('speaker.config', at, message)
}
