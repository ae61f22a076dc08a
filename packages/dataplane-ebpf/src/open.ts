import { DataplaneError, ENCAPSULATIONS, type DataplaneEvent } from '@heddle/core'
import { EventQueue } from '@heddle/io'
import { LinuxError, NativeUnavailableError, Netlink, NetworkNamespace, type Link } from '@heddle/linux'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readBpfObject } from './bpf-object.js'
import { allOf } from './all-of.js'
import { endFilter, hasFilter, hasProgram } from './device/end-filter.js'
import { PathWatch } from './device/path-watch.js'
import { Ports } from './device/ports.js'
import { hostNamesOf } from './device/written-devices.js'
import { largestSegment } from './device/segments.js'
import { Transit, TRANSIT_PIN } from './device/transit.js'
import { UplinkProgram } from './device/uplink-program.js'
import { BEHIND_JOINT_LABELS, IN_VXLAN, removeMergers, SegmentMerger } from './device/segment-merger.js'
import { warnOfVxlanPort } from './device/vxlan-port.js'
import { EbpfRouter, type EbpfRouterOptions } from './ebpf-router.js'
import { FibFullError } from './fib/block-memory.js'
import { View } from './layout/struct.js'
import { AVOIDED, HAS_VNIS, LAYOUT_VERSION } from './layout/structs/config.js'
import { LINK, LOCAL_KEY } from './layout/structs/objects.js'
import { dismissKeeper, type VrfDevice } from './liveness/keeper-process.js'
import { Liveness } from './liveness/liveness.js'
import { holderOfPins, holderOfUplink } from './lock-holder.js'
import { busy, isTaken, patiently, takeFreeUplinkLock, takeUplinkLock } from './locks.js'
import { Mirrors } from './observe/mirrors.js'
import type { NativeLock } from './native/binding.js'
import { Traces } from './observe/traces.js'
import { call } from './native/call.js'
import { toVerifierError } from './native/verifier-error.js'
import { deleteUnclaimed, setBareDown, takeAwayOlder } from './older-layout.js'
import { KEPT_PINS, survivalOf } from './pin-survival.js'
import { ensureFileSystem, markNamespace, portsIn, preparePins } from './pins.js'
import { refusalOf } from './privileges.js'
import { isKernelSince } from './probe.js'
import { KernelMaps } from './tables/kernel-maps.js'
import { wordBytes } from './layout/word.js'
import { capacityOf, foundSizes, mapSizes, OTHER_SIZES } from './tables/map-sizes.js'
import { KernelTables } from './tables/kernel-tables.js'

/** MTU of no uplink port in the tables: what a length field can say. */
const ANY_MTU = 65_535

/** The pin of the uplink's program, and what a move left beside it that broke off, which the next program would take for that of its own link. */
const LEFT_PINS = ['uplink', 'next-uplink']

/** What programs of netkit devices cannot do, of which some may be there from a dataplane before this one. */
const AVOIDED_BY_NETKIT = AVOIDED['local-redirect-peer']
/** What the program of XDP does without that may be there; see `device/transit.ts`. And what is not sent on; see `device/segment-merger.ts`. */
const AVOIDED_BY_DEVICES = AVOIDED['xdp-tx'] | AVOIDED.joined

/**
 * Loads programs and maps, or takes over those that are pinned, and attaches the way in.
 *
 * @throws DataplaneError as `ebpfDataplane`
 */
export async function openRouter(options: EbpfRouterOptions): Promise<EbpfRouter> {
  const undo: (() => unknown)[] = []
  try {
    return await open(options, undo)
  } catch (cause) {
    // What cannot be undone says less than what went wrong.
    await allOf(undo.reverse()).catch(() => undefined)
    throw translated(cause, options)
  }
}

async function open(options: EbpfRouterOptions, undo: (() => unknown)[]): Promise<EbpfRouter> {
  const { uplink, underlayNetns: netns, pinDirectory, asked, logger, choice } = options
  const netlink = await Netlink.open(netns)
  undo.push(() => netlink.close())
  const link = await netlink.links.get(uplink)
  const { index: uplinkIndex, mtu } = link
  const vrf = await vrfOf(link, netlink)
  const lock = await claimUplink(options, uplinkIndex)
  undo.push(() => lock.release())

  const claimed = pinDirectory === undefined ? undefined : await claimPins(pinDirectory)
  undo.push(() => claimed?.lock.release())
  const namespace = NetworkNamespace.identity(netns)
  const prepared = pinDirectory === undefined ? undefined : preparePins(pinDirectory, claimed?.isMounted === true, namespace)
  if (prepared !== undefined) undo.push(prepared.undo)
  const pins = prepared?.pins
  const survival = survivalOf(pinDirectory)
  if (pins !== undefined && !survival.goesOn)
    logger.warn('Nothing is forwarded behind this process', { reason: survival.because, remedy: KEPT_PINS })
  const object = call((native) => native.objectLoad(readBpfObject(), mapSizes(capacityOf(asked)), prepared?.folder, !choice.readsPackets))
  undo.push(() => object.close())
  if (prepared !== undefined) await takeAwayOlder({ prepared, netlink, netns, uplink: uplinkIndex, logger })
  const maps = new KernelMaps(object)
  warnOfSizes(options, maps)
  const tables = new KernelTables(maps)
  if (tables.gap !== undefined) {
    const remedy = `at least ${tables.fib.memory.used * 2} \`fibBlocks\``
    logger.warn('Routes were taken over that do not fit twice into the FIB: none were found while they were built', {
      ...tables.gap,
      remedy,
    })
  }
  if (pins !== undefined) markNamespace(pins, namespace)
  const before = tables.config.get('uplink')
  if (pins !== undefined && before !== 0 && before !== uplinkIndex) {
    const place = { pins, underlayNetns: netns, vrf: undefined, addresses: [], uplink: before }
    if (!(await dismissKeeper(place, tables.config))) logger.warn('A keeper of BFD sessions of another uplink does not end')
    await leaveUplink(maps, { before, netlink, netns, pins })
  }
  configure(options, maps, tables, uplinkIndex, mtu)

  const events = new EventQueue<DataplaneEvent>()
  const ports = new Ports({
    maps,
    netlink,
    netns,
    uplink: uplinkIndex,
    uplinkBefore: before,
    devices: choice.devices,
    largestSegment: largestSegment(link, options.addresses),
    means: choice.endpoints,
    hasTcx: choice.uplink === 'tcx',
    pins,
    events,
    logger,
  })
  await ports.adopt()
  const held = new Set(ports.links().map(({ index }) => index))
  await setBareDown({ netlink, netns, uplink: uplinkIndex }, ({ index }) => held.has(index))
  const ingress = await UplinkProgram.attach({
    object,
    name: uplink,
    uplink: uplinkIndex,
    netns,
    means: choice.uplink,
    pin: pins === undefined ? undefined : join(pins, 'uplink'),
    logger,
  })
  // Beside pins that were there, it belongs to a dataplane that may still forward.
  if (prepared === undefined || prepared.isNew) undo.push(() => ingress.detach())
  // No mark names a filter whose qdisc was somebody else's, or whose process pinned nothing: it would go on beside this program, and behind it.
  if (choice.uplink === 'tcx' && hasFilter(netns, uplinkIndex)) await endFilter({ ifindex: uplinkIndex, netns })
  const transit = new Transit({
    maps,
    config: tables.config,
    netlink,
    netns,
    uplink: uplinkIndex,
    families: options.addresses.map(({ family }) => family),
    pins,
    wanted: options.xdp,
    without: options.without,
    logger,
  })
  await transit.look()
  const paths = new PathWatch({
    maps,
    paths: tables.paths,
    netlink,
    uplink: { name: link.name, index: uplinkIndex },
    vrf: vrf?.index,
    changed: ({ local, remote }, takes) => events.push({ type: 'underlay-changed', local, mtu: takes, remote }),
    logger,
  })
  const mirrors = await Mirrors.open({
    maps,
    config: tables.config,
    underlayNetns: netns,
    vrf: vrf?.name,
    event: (event) => events.push(event),
    logger,
  })
  undo.push(() => mirrors.close())
  const traces = new Traces({
    maps,
    config: tables.config,
    event: (event) => events.push(event),
    wait: () => call((native) => native.waitForPrograms()),
  })
  undo.push(() => traces.close())
  const liveness = await Liveness.open({
    maps,
    config: tables.config,
    addresses: options.addresses,
    underlayNetns: netns,
    uplink: { name: link.name, index: uplinkIndex },
    vrf,
    pins,
    script: options.keeper,
    event: (event) => events.push(event),
    logger,
  })
  undo.push(() => liveness?.close(true))
  if (options.encapsulations.includes('vxlan'))
    await warnOfVxlanPort({ addresses: options.addresses, netns, vrf: vrf?.name, netlink, logger })
  const merging = {
    maps,
    config: tables.config,
    netlink,
    netns,
    uplink: uplinkIndex,
    vrf: vrf?.index,
    mergesInVrfs: isKernelSince(6, 5),
    logger,
  }
  const mergers = {
    vxlan: new SegmentMerger({ merged: IN_VXLAN, ...merging }),
    joint: new SegmentMerger({ merged: BEHIND_JOINT_LABELS, ...merging }),
  }
  const wanted = {
    vxlan: choice.mergesVxlan && maps.entries('vnis').next().done !== true,
    // Others are told that it does so, for its life.
    joint: choice.mergesJoint && options.encapsulations.includes('mpls-udp'),
  }
  for (const kind of ['vxlan', 'joint'] as const) {
    // What a dataplane before this one has left goes on, unless it is of a release whose device lets through what this one's does not, or is not wanted.
    await (wanted[kind] ? mergers[kind].ensure() : mergers[kind].remove())
    if (prepared === undefined || prepared.isNew) undo.push(() => mergers[kind].remove())
  }
  return new EbpfRouter(options, {
    maps,
    tables,
    ports,
    mergers,
    netlink,
    locks: [lock, ...(claimed === undefined ? [] : [claimed.lock])],
    liveness,
    mirrors,
    traces,
    events,
    uplinkIndex,
    ingress,
    transit,
    paths,
    survival,
  })
}

/** Tables that are taken over stay as they are: to make them anew would take away what is forwarded by them. */
function warnOfSizes({ asked, logger }: EbpfRouterOptions, maps: KernelMaps): void {
  for (const { option, found, wanted } of foundSizes(asked, (map) => maps.capacity(map))) {
    if (wanted === found || asked[option] === undefined) continue
    logger.warn('Tables are taken over, and stay as large as they are', { size: option, found, wanted, remedy: OTHER_SIZES })
  }
}

/** The VRF device that a link is in, if it is in one. */
async function vrfOf({ controller }: Link, netlink: Netlink): Promise<VrfDevice | undefined> {
  if (controller === undefined) return undefined
  const { kind, name, index } = await netlink.links.get(controller)
  return kind === 'vrf' ? { name, index } : undefined
}

/** @throws DataplaneError `dataplane.busy` naming the process that has it, where that can be found */
async function claimUplink({ uplink, underlayNetns: netns }: EbpfRouterOptions, index: number): Promise<NativeLock> {
  try {
    return await takeUplinkLock(netns, index)
  } catch (cause) {
    if (!isTaken(cause)) throw cause
    throw busy(`the uplink ${uplink}${holderOfUplink(netns, index)}`, cause)
  }
}

/** A directory of pins that is this process's own; `isMounted`: its file system was mounted for it. */
interface ClaimedPins {
  readonly lock: NativeLock
  readonly isMounted: boolean
}

/** Dataplanes of two uplinks would write the same tables, those of two network namespaces as well. Before it is locked, whoever had it may take it away. */
async function claimPins(directory: string): Promise<ClaimedPins> {
  let isMounted = false
  try {
    const lock = await patiently(() => {
      isMounted = ensureFileSystem(directory) || isMounted
      return call((native) => native.lockPins(directory))
    })
    return { lock, isMounted }
  } catch (cause) {
    if (!isTaken(cause)) throw cause
    throw busy(`its pins in ${directory}${holderOfPins(directory)}`, cause)
  }
}

interface Left {
  /** Index of the uplink that it was. */
  readonly before: number
  readonly netlink: Netlink
  readonly netns: string | undefined
  readonly pins: string
}

/** A program that was attached to another link is not moved, but made anew. What another dataplane has by now, which came to that link, is left. @throws LinuxError */
async function leaveUplink(maps: KernelMaps, { before, netlink, netns, pins }: Left): Promise<void> {
  const lock = await takeFreeUplinkLock(netns, before)
  try {
    rmSync(join(pins, TRANSIT_PIN), { force: true })
    const pin = join(pins, 'uplink')
    if (lock === undefined) {
      for (const name of LEFT_PINS) rmSync(join(pins, name), { force: true, recursive: true })
      return
    }
    await removeMergers({ netns, uplink: before })
    // Without a pin as well: on a qdisc that was somebody else's no mark names a filter. And not on a link that has got its number meanwhile.
    if (hasFilter(netns, before)) await endFilter({ ifindex: before, netns, pin })
    for (const name of LEFT_PINS) rmSync(join(pins, name), { force: true, recursive: true })
    const held = new Map(Array.from(maps.numbered('links'), ([port, value]) => [port, new View(LINK, value).get('ifindex')]))
    const indexes = new Set(held.values())
    // Whoever forgot one may have ended before it took the program away.
    const forgotten = new Set(portsIn(pins).flatMap((port) => (held.has(port) ? [] : hostNamesOf(before, port))))
    // Nobody asks for the others again: their names are those of ports of the uplink that it was. What else has a program is another dataplane's, which came there.
    const isClaimed = ({ index, name }: Link): boolean => indexes.has(index) || (!forgotten.has(name) && hasProgram(netns, index))
    await deleteUnclaimed(netlink, before, isClaimed)
  } finally {
    lock?.release()
  }
}

/** Keys of the map `locals`, by what they are told apart by. */
function localsOf({ addresses }: EbpfRouterOptions): Map<string, Uint8Array> {
  return new Map(
    addresses.map((address) => {
      const { bytes } = new View(LOCAL_KEY).set('family', address.family).setAddress('address', address)
      return [bytes.join(), bytes]
    }),
  )
}

function configure(options: EbpfRouterOptions, maps: KernelMaps, { config }: KernelTables, uplink: number, mtu: number): void {
  const { encapsulations, choice } = options
  const wanted = localsOf(options)
  for (const [key] of maps.entries('locals')) if (!wanted.has(key.join())) maps.delete('locals', key)
  for (const key of wanted.values()) maps.set('locals', key, wordBytes(1))
  if (config.get('uplink_mtu') === 0) config.set('uplink_mtu', ANY_MTU)
  config
    .set('layout_version', LAYOUT_VERSION)
    .set('uplink', uplink)
    .set('underlay_mtu', mtu)
    .set(
      'avoided',
      choice.avoided.reduce(
        (mask, name) => mask | AVOIDED[name],
        (config.get('avoided') & (AVOIDED_BY_NETKIT | AVOIDED_BY_DEVICES)) | (choice.devices === 'netkit' ? AVOIDED_BY_NETKIT : 0),
      ),
    )
    .set(
      'encapsulations',
      encapsulations.reduce(
        (mask, encapsulation) => mask | (1 << ENCAPSULATIONS.indexOf(encapsulation)),
        config.get('encapsulations') & HAS_VNIS,
      ),
    )
  // Programs that a dataplane before this one has left go on meanwhile, and know flows by how that one was configured.
  maps.forgetDecisions()
}

function translated(cause: unknown, { uplink }: EbpfRouterOptions): unknown {
  if (cause instanceof NativeUnavailableError || cause instanceof FibFullError) {
    return new DataplaneError('dataplane.device', cause.message, { cause })
  }
  if (!(cause instanceof LinuxError)) return cause
  if (cause.code === 'EADDRINUSE') return busy(`the uplink ${uplink}`, cause)
  const refused = toVerifierError(cause)
  if (refused !== undefined) return refused
  const isForbidden = cause.code === 'EPERM' && !cause.operation.startsWith('load program')
  const code = isForbidden ? 'dataplane.permission' : 'dataplane.device'
  return new DataplaneError(code, `the dataplane on ${uplink} cannot be opened: ${refusalOf(cause)}`, { cause })
}
