import type { DataplaneChoice, KernelInspection, KernelPart } from '@heddle/core'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { BEHIND_JOINT_LABELS, IN_VXLAN, type MergedSegments } from './device/segment-merger.js'
import { inspect } from './inspect.js'
import type { NativeObject } from './native/binding.js'
import { call } from './native/call.js'
import { pinsOf } from './pins.js'
import type { FoundSize } from './tables/map-sizes.js'
import { ebpfFeatures, type EbpfAttachment, type EbpfChoice, type EbpfFeature } from './probe.js'

/** A link that a program of the dataplane is on. */
export interface InspectedLink {
  readonly name: string
  readonly index: number
  readonly how: EbpfAttachment | 'xdp'
  /** Name of its pin. */
  readonly pin: string
}

export interface InspectOptions {
  readonly object: NativeObject
  readonly choice: EbpfChoice
  /** How packets go from one tunnel into another. */
  readonly transit: { readonly isAttached: boolean; readonly because: string }
  /** How segments that come in by VXLAN, and behind joint labels, reach programs where the kernel may merge them. */
  readonly mergers: Readonly<Record<'vxlan' | 'joint', { readonly isMerging: boolean; readonly because: string }>>
  /** How large tables are, and how much of the FIB's memory is taken. */
  readonly room: { readonly sizes: readonly FoundSize[]; readonly usedBlocks: number }
  readonly links: readonly InspectedLink[]
  readonly underlayNetns: string | undefined
  readonly pinDirectory: string | undefined
}

/** Asks the kernel what it holds, and what else is on the links. @throws LinuxError */
export function inspectKernel(options: InspectOptions): KernelInspection {
  return { choices: choicesOf(options), parts: partsOf(options) }
}

function choicesOf({ choice, transit, mergers, room }: InspectOptions): DataplaneChoice[] {
  const { uplink, devices, devicesBecause, endpoints } = choice
  return [
    { what: 'programs on the uplink', chosen: uplink, because: uplinkReason(uplink) },
    { what: 'devices of new endpoints', chosen: devices, because: devicesBecause },
    devices === 'netkit'
      ? { what: 'programs on devices of endpoints', chosen: devices, because: 'devices of netkit have a place of their own for programs' }
      : { what: 'programs on devices of endpoints', chosen: endpoints, because: endpointsReason(choice) },
    { what: 'packets from one tunnel into another', chosen: transit.isAttached ? 'xdp' : 'tc', because: transit.because },
    mergingOf(IN_VXLAN, choice.mergesVxlan ? mergers.vxlan : lackOf('vxlan')),
    mergingOf(BEHIND_JOINT_LABELS, choice.mergesJoint ? mergers.joint : lackOf('vxlan-gpe')),
    ...room.sizes.map((size) => roomOf(size, room.usedBlocks)),
    ...ebpfFeatures().map(({ name, purpose, otherwise, available, reason, minimumKernel }) => ({
      what: purpose,
      chosen: available ? name : otherwise || 'nothing',
      because: available
        ? `${name} is there (since Linux ${minimumKernel})`
        : `${name} is not there (since Linux ${minimumKernel}): ${reason}`,
    })),
  ]
}

function uplinkReason(chosen: EbpfAttachment): string {
  if (chosen === 'tcx') return 'other programs on the link go on, and a pinned link outlives the process'
  const { minimumKernel, reason } = ebpfFeatures().find(({ name }) => name === 'tcx') as EbpfFeature
  return `tcx is not there (since Linux ${minimumKernel}): ${reason || 'to be done without'}`
}

function endpointsReason({ uplink, endpoints }: EbpfChoice): string {
  if (endpoints === 'tcx' || uplink !== 'tcx') return uplinkReason(endpoints)
  return 'no grace period passes when one comes or goes; those that stay are moved to tcx, by which a packet costs less'
}

type Merging = InspectOptions['mergers']['vxlan']

function mergingOf({ what }: MergedSegments, { isMerging, because }: Merging): DataplaneChoice {
  return { what, chosen: isMerging ? 'merged' : 'one by one', because }
}

function roomOf({ option, found, because }: FoundSize, usedBlocks: number): DataplaneChoice {
  return option === 'fibBlocks'
    ? {
        what: 'memory of the FIB, in blocks',
        chosen: `${found}`,
        because: `${because}; ${usedBlocks} are taken, and as many again where they are taken over without a gap`,
      }
    : { what: `room for ${option}`, chosen: `${found}`, because }
}

function lackOf(feature: 'vxlan' | 'vxlan-gpe'): Merging {
  const { minimumKernel, reason } = ebpfFeatures().find(({ name }) => name === feature) as EbpfFeature
  return { isMerging: false, because: `there is no ${feature} (since Linux ${minimumKernel}): ${reason || 'to be done without'}` }
}

function partsOf({ object, links, underlayNetns, pinDirectory }: InspectOptions): KernelPart[] {
  const { programs, maps } = inspect(object)
  const pinned = (name: string): { readonly pin?: string } => {
    const path = pinDirectory === undefined ? undefined : join(pinsOf(pinDirectory), name)
    // A directory in its place marks a qdisc that was made for a filter, which nothing pins.
    return path !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === false ? { pin: path } : {}
  }
  const own = new Set(programs.map(({ id }) => id))
  return [
    ...programs.map(({ name, id, tag, machineCode, instructions, verified }): KernelPart => {
      const details = `${instructions} instructions, ${verified} looked at by the verifier`
      return { kind: 'program', name, id, version: tag, octets: machineCode, details }
    }),
    ...maps.map(({ name, capacity, octets, keyOctets, valueOctets }): KernelPart => {
      return { kind: 'map', name, octets, capacity, ...pinned(name), details: `${keyOctets} octets a key, ${valueOctets} a value` }
    }),
    ...links.map(({ name, index, how, pin }): KernelPart => ({
      kind: 'link',
      name,
      id: index,
      ...pinned(pin),
      details: `ingress by ${how}`,
    })),
    ...[...new Map(links.map(({ name, index }) => [index, name]))].flatMap(([index, name]) => foreignOn(name, index, underlayNetns, own)),
  ]
}

/** Programs of others on a link. A link that went away meanwhile has none. */
function foreignOn(link: string, index: number, netns: string | undefined, own: ReadonlySet<number>): KernelPart[] {
  const found = call((native) => native.programsOn(netns, index))
  return found
    .filter(({ id }) => !own.has(id))
    .map(({ id, name, how }) => ({
      kind: 'foreign',
      name: name === '' ? 'unknown' : name,
      ...(id !== 0 && { id }),
      details: `ingress of ${link} by ${how}`,
    }))
}
