import { hasFeature, type DataplaneChoice, type FibTransaction } from '@heddle/core'
import { ebpfFeatures, type EbpfDataplaneOptions, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { SegmentMerger } from '../src/device/segment-merger.js'
import { Transit } from '../src/device/transit.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { callAsync } from '../src/native/call.js'
import { DROPPED_JOINED, DROPPED_JOINED_LABELS } from '../src/layout/structs/config.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { PEERS } from './support/router.js'
import { RouterLab } from './support/router-lab.js'

/** The devices that have the kernel merge segments, by the ends of their names. */
const KINDS = [
  { end: 'vxlan', feature: 'vxlan', slot: DROPPED_JOINED, what: 'segments that come in by VXLAN', port: 4789 },
  { end: 'joint', feature: 'vxlan-gpe', slot: DROPPED_JOINED_LABELS, what: 'segments that come in behind joint labels', port: 6635 },
] as const
type Kind = (typeof KINDS)[number]
const [VXLAN, JOINT] = KINDS

const lacksOf = (names: readonly EbpfFeatureName[]): readonly EbpfFeatureName[] =>
  missing() === '' ? ebpfFeatures().flatMap(({ name, available }) => (names.includes(name) && !available ? [name] : [])) : []
const lacks = lacksOf(['vxlan', 'vxlan-gpe'])
const lack = lacks.length > 0 ? ` (skipped: needs ${lacks.join(' and ')})` : ''

/** A VNI. */
function transaction(generation: number): FibTransaction {
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    tunnelSources: { set: [{ id: 0, prefixes: [IpPrefix.of(PEERS[4][0])] }], remove: [] },
    vnis: { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 0 }], remove: [] },
  }
}

describe.skipIf(missing() !== '' || lacks.length > 0)(titled(`the devices that have the kernel merge segments${lack}`), () => {
  const lab = new RouterLab('merging', { fibBlocks: 1024, routes: 1024 })
  afterEach(() => void vi.restoreAllMocks())

  const inHost = (command: string): string => lab.inHost(...command.split(' '))
  /** Names of all that are up. */
  const devices = (): string[] => [...inHost('ip -br link show up type vxlan').matchAll(/^hd\S+/gm)].map(([name]) => name).toSorted()
  const indexOf = (link: string): number => (JSON.parse(inHost(`ip -j link show ${link}`)) as [{ ifindex: number }])[0].ifindex
  const nameOf = ({ end }: Kind, uplink = 'up0'): string => {
    return `hd${indexOf(uplink).toString(36)}${end}`
  }
  const isThere = (kind: Kind): boolean => devices().includes(nameOf(kind))
  const shown = async (router: EbpfRouter, kind: Kind): Promise<DataplaneChoice | undefined> =>
    (await router.inspectKernel()).choices.find(({ what }) => what === kind.what)
  const promises = ({ capabilities }: EbpfRouter): boolean => hasFeature(capabilities, 'joint-labels')

  async function openWithBoth(options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const router = await lab.open(options)
    expect(await router.apply(transaction(1))).toMatchObject({ status: 'applied', failures: [] })
    for (const kind of KINDS) expect(await shown(router, kind)).toMatchObject({ chosen: 'merged' })
    return router
  }

  /** As programs count what they have to drop because it was merged. */
  function countHarm({ parts: { maps } }: EbpfRouter, { slot }: Kind): void {
    maps.set('drops', slot, new Uint8Array(maps.valueSize('drops')).fill(1, 0, 1))
  }

  it('are made as soon as they are of use, stay for the next router, and go with the last', async () => {
    const options = { pinDirectory: lab.path('life') }
    const first = await lab.open(options)
    expect([devices(), promises(first)]).toEqual([[nameOf(JOINT)], true])
    await first.apply(transaction(1))
    // With an address the host would look for neighbours and routers by them.
    expect(inHost('ip -o address')).not.toMatch(/: hd/)
    const both = KINDS.map((kind) => nameOf(kind)).toSorted()
    expect(devices()).toEqual(both)
    await first.close({ keep: true })
    expect(devices()).toEqual(both)
    const second = await lab.open(options)
    expect([devices(), promises(second)]).toEqual([both, true])
    await second.close()
    expect(inHost('ip -o link')).not.toMatch(/: hd/)
  })

  it.each<[string, Partial<EbpfDataplaneOptions>]>([
    ['the kernel lacks it', { without: ['vxlan-gpe'] }],
    ['MPLS over UDP is not carried', { encapsulations: ['mpls-gre', 'vxlan'] }],
  ])('are none for joint labels where %s, and nobody is told that there is', async (_, options) => {
    const router = await lab.open(options)
    expect([devices(), promises(router)]).toEqual([[], false])
    expect(await shown(router, JOINT)).toMatchObject({ chosen: 'one by one' })
    await router.apply(transaction(1))
    expect(devices()).toEqual([nameOf(VXLAN)])
  })

  it.each(KINDS)('are done without for $end where another socket has its port, which is told', async (kind) => {
    const bind = `require('dgram').createSocket('udp4').bind(${kind.port}, '127.0.0.9')`
    const other = lab.space.namespaces.start('merging', process.execPath, '-e', bind)
    try {
      const bound = `0900007F:${kind.port.toString(16).toUpperCase()} `
      await expect.poll(() => inHost('cat /proc/net/udp'), { timeout: 20_000 * PACE }).toContain(bound)
      const warn = vi.fn<Logger['warn']>()
      const router = await lab.open({ logger: { ...silentLogger, warn } })
      for (const generation of [1, 2]) await router.apply(transaction(generation))
      const because = expect.stringMatching(/Address (already )?in use/)
      expect(await shown(router, kind)).toMatchObject({ chosen: 'one by one', because })
      expect(await shown(router, kind === JOINT ? VXLAN : JOINT)).toMatchObject({ chosen: 'merged' })
      expect(inHost('ip -br link show type vxlan').trim().split('\n')).toHaveLength(1)
      expect(promises(router)).toBe(kind === VXLAN)
      const warnings = warn.mock.calls.filter(([message]) => message.startsWith('Segments'))
      expect(warnings).toEqual([[expect.stringContaining('are not merged'), { reason: because }]])
    } finally {
      await endProcess(other)
    }
  })

  // It stayed up, and each segment that it had the kernel merge was lost.
  it.each(KINDS)('$end goes when a dataplane opens where one before it has left it, and harm was done', async (kind) => {
    const pinDirectory = lab.path(`harm-${kind.end}`)
    const look = vi.spyOn(SegmentMerger.prototype, 'look').mockResolvedValue()
    const first = await openWithBoth({ pinDirectory })
    countHarm(first, kind)
    await first.close({ keep: true })
    expect(isThere(kind)).toBe(true)
    look.mockRestore()
    const second = await lab.open({ pinDirectory })
    expect(isThere(kind)).toBe(false)
    expect(isThere(kind === JOINT ? VXLAN : JOINT)).toBe(true)
    expect(await shown(second, kind)).toMatchObject({ because: expect.stringContaining('the kernel could not cut') })
    expect(promises(second)).toBe(kind === VXLAN)
  })

  // Whoever did without it had it go on.
  it.each(KINDS)('$end goes when a dataplane opens without it where one before it has left it', async (kind) => {
    const pinDirectory = lab.path(`without-${kind.end}`)
    await (await openWithBoth({ pinDirectory })).close({ keep: true })
    expect(isThere(kind)).toBe(true)
    const second = await lab.open({ pinDirectory, without: [kind.feature] })
    expect(isThere(kind)).toBe(false)
    expect(await second.apply(transaction(2))).toMatchObject({ status: 'applied', failures: [] })
    expect(isThere(kind)).toBe(false)
  })

  // Whatever was looked at before it had to be well.
  it.each(KINDS)('$end goes once it has done harm while XDP cannot be looked at, and what was promised is for life', async (kind) => {
    const router = await openWithBoth()
    vi.spyOn(Transit.prototype, 'look').mockRejectedValue(new LinuxError('EIO', 5, 'look at XDP', 'Input/output error'))
    countHarm(router, kind)
    await expect.poll(() => isThere(kind), { timeout: 20_000 * PACE }).toBe(false)
    expect(isThere(kind === JOINT ? VXLAN : JOINT)).toBe(true)
    expect(promises(router)).toBe(true)
  })

  // Made anew, it was gone for a moment in which a stream came one by one, and with it the sockets.
  it('go on as they are when a dataplane takes over from one before it', async () => {
    const options = { pinDirectory: lab.path('over') }
    await (await openWithBoth(options)).close({ keep: true })
    const indices = (): number[] => KINDS.map((kind) => indexOf(nameOf(kind)))
    const before = indices()
    await openWithBoth(options)
    expect(indices()).toEqual(before)
  })

  const SETTINGS = 'external vnifilter nolearning udp6zerocsumrx'
  it.each(
    KINDS.flatMap((kind) =>
      [
        { what: 'lets through what it gets', settings: 'external' },
        { what: 'lets a VNI through', settings: SETTINGS, behind: 'bridge vni add vni 7 dev NAME' },
        { what: 'has an address', settings: SETTINGS, mode: 'eui64' },
        { what: 'is down', settings: SETTINGS, behind: 'ip link set NAME down' },
        { what: 'wants UDP checksums over IPv6', settings: 'external vnifilter nolearning noudp6zerocsumrx' },
        { what: 'has another port', settings: SETTINGS, port: 4791 },
        { what: `is ${kind === JOINT ? 'not ' : ''}of VXLAN-GPE`, settings: SETTINGS, gpe: kind === JOINT ? '' : ' gpe' },
      ].map((left) => ({ kind, end: kind.end, mode: 'none', port: kind.port, gpe: kind === JOINT ? ' gpe' : '', behind: '', ...left })),
    ),
  )('$end is made anew where one was left that $what', async ({ kind, settings, mode, port, gpe, behind }) => {
    const name = nameOf(kind)
    inHost(`ip link add ${name} type vxlan ${settings}${gpe} dstport ${port}`)
    inHost(`ip link set ${name} addrgenmode ${mode} up`)
    if (behind !== '') inHost(behind.replace('NAME', name))
    const before = indexOf(name)
    await openWithBoth()
    expect(indexOf(name)).not.toBe(before)
    const details = inHost(`ip -d link show ${name}`)
    for (const word of ['vnifilter', 'nolearning', 'udp6zerocsumrx', `dstport ${kind.port}`]) expect(details).toContain(word)
    expect(details).not.toMatch(/ (?:noudp6zerocsumrx|learning) /)
    expect(/ gpe /.test(details)).toBe(kind === JOINT)
    expect(inHost('ip -o address')).not.toMatch(/: hd/)
    expect(inHost(`bridge vni show dev ${name}`)).not.toMatch(/\b7\b/)
  })

  // One whose VRF was another by now, or one that was made anew under its name, had its sockets where nothing came any more.
  it.each(KINDS)('$end is made anew where the uplink is in another VRF device than its sockets', async (kind) => {
    const name = nameOf(kind)
    const ensure = async (vrf?: number): Promise<number> => {
      const within = vrf === undefined ? undefined : { link: indexOf('up0'), vrf }
      await callAsync((native) => native.mergerEnsure(lab.netns, name, kind === JOINT, within))
      return indexOf(name)
    }
    const vrfs = [undefined, undefined, 7, 7, 8, 8, undefined]
    const indexes: number[] = []
    for (const vrf of vrfs) indexes.push(await ensure(vrf))
    for (const at of [1, 2, 3, 4, 5, 6]) expect(indexes[at] === indexes[at - 1], `${vrfs[at]}`).toBe(vrfs[at] === vrfs[at - 1])
    expect(devices()).toContain(name)
    await callAsync((native) => native.mergerRemove(lab.netns, name))
  })

  it('go with an uplink that is an uplink no more', async () => {
    const options = { pinDirectory: lab.path('moved') }
    await withSecondUplink(async () => {
      await (await openWithBoth(options)).close({ keep: true })
      const second = await lab.open({ ...options, uplink: 'up2' })
      expect(devices()).toEqual(KINDS.map((kind) => nameOf(kind, 'up2')).toSorted())
      await second.close()
      expect(devices()).toEqual([])
    })
  })

  // The sockets are those of all routers in the namespace: a stream of one that does harm was lost as long as another one had its device.
  it.each(KINDS)('$end is shared by the routers of a namespace, and goes for all once it does harm to one', async (kind) => {
    await withSecondUplink(async () => {
      const names = ['up0', 'up2'].map((uplink) => nameOf(kind, uplink)).toSorted()
      const harmed = await openWithBoth()
      const other = await openWithBoth({ uplink: 'up2' })
      expect(devices()).toEqual(expect.arrayContaining(names))
      const third = await lab.open({ uplink: 'up4' })
      await third.close()
      expect(devices()).toEqual(expect.arrayContaining(names))
      countHarm(harmed, kind)
      await expect.poll(() => devices().some((name) => names.includes(name)), { timeout: 20_000 * PACE }).toBe(false)
      const because = expect.stringContaining('by another router of this namespace')
      await expect.poll(() => shown(other, kind), { timeout: 20_000 * PACE }).toMatchObject({ chosen: 'one by one', because })
      // One that comes later does not know of it, and may have its own taken away before it could be asked.
      await other.close()
      const later = await lab.open({ uplink: 'up2' })
      expect(await later.apply(transaction(1))).toMatchObject({ status: 'applied', failures: [] })
      await expect.poll(() => devices().some((name) => names.includes(name)), { timeout: 20_000 * PACE }).toBe(false)
    })
  })

  async function withSecondUplink(work: () => Promise<void>): Promise<void> {
    for (const pair of [2, 4]) inHost(`ip link add up${pair} type veth peer name up${pair + 1}`)
    for (const link of [2, 3, 4, 5]) inHost(`ip link set up${link} up`)
    try {
      await work()
    } finally {
      for (const pair of [2, 4]) inHost(`ip link delete up${pair}`)
    }
  }
})
