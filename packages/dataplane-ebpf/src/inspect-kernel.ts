import type { DataplaneChoice, KernelInspection, KernelPart } from '@heddle/core'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { programsFound } from './device/end-filter.js'
import { BEHIND_JOINT_LABELS, IN_VXLAN, type MergedSegments } from './device/segment-merger.js'
import { inspect } from './inspect.js'
import type { NativeAttached, NativeObject } from './native/binding.js'
import { pinsOf } from './pins.js'
import type { Survival } from './pin-survival.js'
import type { FoundSize } from './tables/map-sizes.js'
import { ebpfFeatures, lackOf, type EbpfAttachment, type EbpfChoice, type EbpfFeatureName } from './probe.js'

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
  /** Features to do without although the kernel may have them. */
  readonly without: readonly EbpfFeatureName[]
  /** How packets go from one tunnel into another. */
  readonly transit: { readonly isAttached: boolean; readonly because: string }
  /** How segments that come in by VXLAN, and behind joint labels, reach programs where the kernel may merge them. */
  readonly mergers: Readonly<Record<'vxlan' | 'joint', { readonly isMerging: boolean; readonly because: string }>>
  /** How large tables are, and how much of the FIB's memory is taken. */
  readonly room: { readonly sizes: readonly FoundSize[]; readonly usedBlocks: number }
  readonly survival: Survival
  readonly links: readonly InspectedLink[]
  readonly underlayNetns: string | undefined
  readonly pinDirectory: string | undefined
  /** Whether parts are wanted; so they are when it is left out. */
  readonly parts?: boolean
}

/** Links that are asked about at once, several questions each: a node may have 100,000, and everything else that it does has its turn between. */
const ASKED_AT_ONCE = 64

/** Asks the kernel what it holds, and what else is on the links. @throws LinuxError */
export async function inspectKernel(options: InspectOptions): Promise<KernelInspection> {
  return { choices: choicesOf(options), parts: options.parts === false ? [] : await partsOf(options) }
}

/** Features that rows of their own tell of, which say what was chosen, and not only what could be. */
const TOLD: readonly EbpfFeatureName[] = ['tcx', 'clsact', 'netkit', 'xdp', 'vxlan', 'vxlan-gpe']

function choicesOf({ choice, without, transit, mergers, room, survival }: InspectOptions): DataplaneChoice[] {
  const { uplink, devices, devicesBecause, endpoints } = choice
  return [
    { what: 'programs on the uplink', chosen: uplink, because: uplinkReason(uplink, without) },
    { what: 'devices of new endpoints', chosen: devices, because: devicesBecause },
    devices === 'netkit'
      ? { what: 'programs on devices of endpoints', chosen: devices, because: 'devices of netkit have a place of their own for programs' }
      : { what: 'programs on devices of endpoints', chosen: endpoints, because: endpointsReason(choice, without) },
    { what: 'packets from one tunnel into another', chosen: transit.isAttached ? 'xdp' : 'tc', because: transit.because },
    mergingOf(IN_VXLAN, choice.mergesVxlan ? mergers.vxlan : unmerged('vxlan', without)),
    mergingOf(BEHIND_JOINT_LABELS, choice.mergesJoint ? mergers.joint : unmerged('vxlan-gpe', without)),
    { what: 'forwarding behind the process', chosen: survival.goesOn ? 'goes on' : 'ends', because: survival.because },
    ...room.sizes.map((size) => roomOf(size, room.usedBlocks)),
    ...ebpfFeatures()
      .filter(({ name }) => !TOLD.includes(name))
      .map(({ name, purpose, otherwise, minimumKernel }) => {
        const lack = lackOf(name, without)
        const isThere = lack === ''
        const chosen = isThere ? name : otherwise || 'nothing'
        return { what: purpose, chosen, because: isThere ? `${name} is there (since Linux ${minimumKernel})` : lack }
      }),
  ]
}

function uplinkReason(chosen: EbpfAttachment, without: readonly EbpfFeatureName[]): string {
  return chosen === 'tcx' ? 'other programs on the link go on, and a pinned link outlives the process' : lackOf('tcx', without)
}

function endpointsReason({ uplink, endpoints }: EbpfChoice, without: readonly EbpfFeatureName[]): string {
  if (uplink !== 'tcx') return lackOf('tcx', without)
  if (endpoints === 'tcx') return lackOf('clsact', without)
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

function unmerged(feature: 'vxlan' | 'vxlan-gpe', without: readonly EbpfFeatureName[]): Merging {
  return { isMerging: false, because: lackOf(feature, without) }
}

async function partsOf({ object, links, underlayNetns, pinDirectory }: InspectOptions): Promise<KernelPart[]> {
  const { programs, maps } = inspect(object)
  const pinned = (name: string): { readonly pin?: string } => {
    const path = pinDirectory === undefined ? undefined : join(pinsOf(pinDirectory), name)
    // A directory in its place marks a qdisc that was made for a filter, which nothing pins.
    return path !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === false ? { pin: path } : {}
  }
  const own = new Set(programs.map(({ id }) => id))
  const named = new Map(links.map(({ name, index }) => [index, name]))
  const found = await inParts([...named], async ([index, name]): Promise<Found> => {
    return { index, name, there: await programsFound(underlayNetns, index) }
  })
  const gone = new Set(found.flatMap(({ index, there }) => (there === undefined ? [index] : [])))
  const linkParts = await inParts(links, ({ name, index, how, pin }): KernelPart => {
    return { kind: 'link', name, id: index, ...pinned(pin), details: gone.has(index) ? 'the link is gone' : `ingress by ${how}` }
  })
  return [
    ...programs.map(({ name, id, tag, machineCode, instructions, verified }): KernelPart => {
      const details = `${instructions} instructions, ${verified} looked at by the verifier`
      return { kind: 'program', name, id, version: tag, octets: machineCode, details }
    }),
    ...maps.map(({ name, capacity, octets, keyOctets, valueOctets }): KernelPart => {
      return { kind: 'map', name, octets, capacity, ...pinned(name), details: `${keyOctets} octets a key, ${valueOctets} a value` }
    }),
    ...linkParts,
    ...found.flatMap((one) => foreignOn(one, own)),
  ]
}

/** A link, and the programs on it; undefined where it is gone. */
interface Found {
  readonly index: number
  readonly name: string
  readonly there: readonly NativeAttached[] | undefined
}

/** Does something for each of many, some at once, and lets everything else have its turn between. */
async function inParts<T, R>(all: readonly T[], work: (one: T) => R | Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let first = 0; first < all.length; first += ASKED_AT_ONCE) {
    for (const one of await Promise.all(all.slice(first, first + ASKED_AT_ONCE).map(work))) done.push(one)
    await setImmediate()
  }
  return done
}

/** Programs of others on a link. */
function foreignOn({ name: link, there = [] }: Found, own: ReadonlySet<number>): KernelPart[] {
  // In the order in which they see packets; none where somebody took ours away.
  const ours = there.findLastIndex(({ id }) => own.has(id))
  return there.flatMap(({ id, name, how }, at): KernelPart[] => {
    if (own.has(id)) return []
    const place = ours === -1 ? '' : at < ours ? ', before ours' : ', behind ours'
    const details = `ingress of ${link} by ${how}${place}`
    return [{ kind: 'foreign', name: name === '' ? 'unknown' : name, ...(id !== 0 && { id }), details }]
  })
}
