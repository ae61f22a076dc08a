import type { EbpfDeviceKind } from './device/device-pair.js'
import { call } from './native/call.js'
import { release } from 'node:os'

/** What the eBPF dataplane asks of a kernel. */
export type EbpfFeatureName =
  | 'bpf'
  | 'mmapable-array'
  | 'tcx'
  | 'clsact'
  | 'netkit'
  | 'redirect-neigh'
  | 'redirect-peer'
  | 'decap-l3'
  | 'kernel-packet'
  | 'xdp'
  | 'vxlan'
  | 'vxlan-gpe'
  | 'btf'

/** A feature as a value: what it is for, since when there is one, and what trying it here gave. */
export interface EbpfFeature {
  readonly name: EbpfFeatureName
  readonly purpose: string
  /** First kernel release that has it, where it is compiled in. */
  readonly minimumKernel: string
  /** Whether the dataplane can do without. */
  readonly optional: boolean
  /** What is done without it; empty when nothing takes its place. */
  readonly otherwise: string
  readonly available: boolean
  /** Why it is missing, in the system's words, or why it was not tried and is done without; empty when it is there. */
  readonly reason: string
}

type Known = Omit<EbpfFeature, 'available' | 'reason' | 'optional' | 'otherwise'> & {
  readonly otherwise?: string
  readonly optional?: true
}

const FEATURES: readonly Known[] = [
  { name: 'bpf', purpose: 'loading programs', minimumKernel: '4.4' },
  { name: 'mmapable-array', purpose: 'a FIB in memory that process and kernel share', minimumKernel: '5.5' },
  { name: 'tcx', purpose: 'attaching to the uplink beside other programs', minimumKernel: '6.6', otherwise: 'clsact' },
  { name: 'clsact', purpose: 'attaching to devices of endpoints without a grace period', minimumKernel: '4.5', otherwise: 'tcx' },
  { name: 'netkit', purpose: 'devices of endpoints with a place for programs', minimumKernel: '6.7', otherwise: 'veth' },
  { name: 'redirect-neigh', purpose: 'sending to the neighbour that the routes name', minimumKernel: '5.10' },
  {
    name: 'redirect-peer',
    purpose: 'delivering into a namespace, past a queue',
    minimumKernel: '5.10',
    otherwise: 'delivering by the queue',
  },
  {
    name: 'decap-l3',
    purpose: 'packets of one family out of tunnels of the other',
    minimumKernel: '6.3',
    otherwise: 'changing the family',
  },
  {
    name: 'kernel-packet',
    purpose: 'what the kernel knows of checksums, in its own packet',
    minimumKernel: '6.2',
    otherwise: 'calls of the kernel',
  },
  {
    name: 'xdp',
    purpose: 'packets from one tunnel into another, before the kernel makes packets of frames',
    minimumKernel: '5.9',
    otherwise: 'tc',
  },
  { name: 'vxlan', purpose: 'merging segments in VXLAN before programs see them', minimumKernel: '5.18', otherwise: 'segments one by one' },
  {
    name: 'vxlan-gpe',
    purpose: 'merging segments behind joint labels before programs see them',
    // Some that are older have the device, and join nothing: docs/adr/0025.
    minimumKernel: '6.5',
    otherwise: 'segments one by one',
  },
  { name: 'btf', purpose: 'readable messages of the verifier', minimumKernel: '5.4', optional: true },
]

/** All that are asked for, whether they are there or not. */
export const EBPF_FEATURE_NAMES: readonly EbpfFeatureName[] = FEATURES.map(({ name }) => name)

/** Whether this kernel is of that version or a later one: for what it would take traffic to find out. */
export function isKernelSince(major: number, minor: number): boolean {
  const [found, behind] = release().split('.').map(Number)
  return found > major || (found === major && behind >= minor)
}

let found: readonly EbpfFeature[] | undefined

/**
 * Tries every feature once. What takes a device is tried in a network namespace that ends with it, and so is nothing that others see; where no such namespace can
 * be had, features are asked for, or not tried, which the reason says.
 *
 * @throws DataplaneError `dataplane.device` without the native part
 */
export function ebpfFeatures(): readonly EbpfFeature[] {
  return (found ??= tryAll())
}

function tryAll(): readonly EbpfFeature[] {
  const reasons = new Map(call((native) => native.probeFeatures()).map(({ name, reason }) => [name, reason]))
  return FEATURES.map(({ otherwise = '', optional = otherwise !== '', ...known }) => {
    const reason = reasons.get(known.name) ?? 'not known to the native part'
    return { ...known, optional, otherwise, available: reason === '', reason }
  })
}

/** By a link of tcx, by a filter of a clsact qdisc, or by a netkit device itself. */
export type EbpfAttachment = 'tcx' | 'clsact' | 'netkit'

/** How a dataplane does what kernels differ in. */
export interface EbpfChoice {
  /** How the program is attached to the uplink. */
  readonly uplink: EbpfAttachment
  /** What devices new endpoints get. */
  readonly devices: EbpfDeviceKind
  /** Why these. */
  readonly devicesBecause: string
  /** How programs are attached to devices of endpoints that are veth pairs, when they come; those that stay are moved to tcx where the uplink has it. */
  readonly endpoints: EbpfAttachment
  /** Whether the kernel merges segments that come in by VXLAN. */
  readonly mergesVxlan: boolean
  /** Whether the kernel merges segments that come in behind joint labels, if MPLS over UDP is carried. */
  readonly mergesJoint: boolean
  /** Whether programs read the kernel's own packet. */
  readonly readsPackets: boolean
  /** Features that programs do without; see `bpf/layout/config.h`. */
  readonly avoided: readonly ('decap-l3' | 'redirect-peer')[]
}

/**
 * @param devices what new endpoints shall get; of netkit where there are such devices when left out
 * @param without features to do without although the kernel may have them
 */
export function chooseMeans(devices: EbpfDeviceKind | undefined, without: readonly EbpfFeatureName[]): EbpfChoice {
  const has = (wanted: EbpfFeatureName): boolean =>
    !without.includes(wanted) && ebpfFeatures().some(({ name, available }) => name === wanted && available)
  const avoided = (['decap-l3', 'redirect-peer'] as const).filter((name) => !has(name))
  const uplink = has('tcx') ? 'tcx' : 'clsact'
  // tcx waits for a grace period of RCU with each program that comes or goes, tens of milliseconds in which no link of the machine can be changed.
  const endpoints = has('clsact') ? 'clsact' : uplink
  const [mergesVxlan, mergesJoint, readsPackets] = [has('vxlan'), has('vxlan-gpe'), has('kernel-packet')]
  return { uplink, ...chooseDevices(devices, without), endpoints, mergesVxlan, mergesJoint, readsPackets, avoided }
}

function chooseDevices(
  asked: EbpfDeviceKind | undefined,
  without: readonly EbpfFeatureName[],
): Pick<EbpfChoice, 'devices' | 'devicesBecause'> {
  if (asked !== undefined) return { devices: asked, devicesBecause: `asked for by \`devices: ${asked}\`` }
  const lack = missingNetkit(without)
  return lack === ''
    ? { devices: 'netkit', devicesBecause: 'programs get what endpoints send as it leaves them, past a queue' }
    : { devices: 'veth', devicesBecause: `there is no ${lack}` }
}

/**
 * Features that the dataplane cannot do without and that are missing, each with the reason; empty when it can run here.
 *
 * @param without features to do without although the kernel may have them
 */
export function missingEbpfFeatures(without: readonly EbpfFeatureName[] = []): string {
  const lacks = ebpfFeatures().map((feature) =>
    without.includes(feature.name) ? { ...feature, available: false, reason: 'to be done without' } : feature,
  )
  const hasClsact = lacks.some(({ name, available }) => name === 'clsact' && available)
  return lacks
    .filter(({ name, available, optional }) => !available && (!optional || (name === 'tcx' && !hasClsact)))
    .map(({ name, purpose, minimumKernel, reason }) => `${name} (${purpose}, since Linux ${minimumKernel}): ${reason}`)
    .join('; ')
}

/** Why a feature is done without; empty when it is not. @param without features to do without although the kernel may have them */
export function lackOf(wanted: EbpfFeatureName, without: readonly EbpfFeatureName[]): string {
  const { minimumKernel, reason } = ebpfFeatures().find(({ name }) => name === wanted) as EbpfFeature
  const because = without.includes(wanted) ? 'to be done without' : reason
  return because === '' ? '' : `${wanted} is not there (since Linux ${minimumKernel}): ${because}`
}

/** Why there can be no devices of netkit; empty when there can. @param without features to do without although the kernel may have them */
export function missingNetkit(without: readonly EbpfFeatureName[] = []): string {
  const { minimumKernel, reason } = ebpfFeatures().find(({ name }) => name === 'netkit') as EbpfFeature
  const because = without.includes('netkit') ? 'to be done without' : reason
  return because === '' ? '' : `netkit (since Linux ${minimumKernel}): ${because}`
}
