// A veth without program leaves to the host what its endpoint sends: there is none, whatever becomes of devices while their endpoint sends.
import { ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { hostNamesOf } from '../src/device/written-devices.js'
import { pinsOf } from '../src/pins.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { PODS, podTransaction, RouterLab } from './support/router-lab.js'

const FLOOD = fileURLToPath(new URL('support/flood.py', import.meta.url))
/** To everybody on the link, of UDP: from the endpoint to an address of the host, 192.0.2.1, without payload. */
const FRAME = 'ffffffffffff02580a01000108004500001c000000004011aece0a010001c00002010009000900080000'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const MEANS: EbpfFeatureName[][] = hasTcx ? [['tcx'], ['clsact']] : [['tcx']]

const PATIENTLY = { timeout: 20_000 * PACE }
/** Flags of a device that is there, and down. */
const DOWN = /^BROADCAST\b(?!.*UP\b)/
const lack = missing() || (spawnSync('python3', ['-c', 'import socket; socket.AF_PACKET']).status === 0 ? '' : 'needs python3')

describe.skipIf(lack !== '')(titled('an endpoint that sends while its device comes and goes', lack), () => {
  const lab = new RouterLab('bare', { devices: 'veth' })
  let flood: ChildProcess | undefined
  beforeAll(async () => {
    flood = spawn('nsenter', [`--net=${lab.podNetns(0)}`, 'python3', FLOOD, FRAME], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(flood.stdout as NodeJS.ReadableStream, 'data')
  })
  afterAll(() => {
    flood?.kill('SIGKILL')
  })

  /** Packets of IPv4 that have come to the host's own stack, which nobody else sends any. */
  const ofHost = (): number => {
    const [names, values] = lab
      .inHost('cat', '/proc/net/snmp')
      .split('\n')
      .filter((line) => line.startsWith('Ip: '))
      .map((line) => line.split(' '))
    return Number(values[names.indexOf('InReceives')])
  }
  /** Packets that have come in by the router's end of the only device. */
  const ofDevice = (): number => {
    const [line = ''] = lab.inHost('cat', '/proc/net/dev').match(/^ *hd[^:]*-.*$/m) ?? []
    return Number(line.split(':')[1]?.trim().split(/ +/)[1] ?? 0)
  }
  const isFlooded = (): Promise<void> => vi.waitFor(() => expect(ofDevice()).toBeGreaterThan(100), PATIENTLY)
  const state = (): string => /<([^>]*)>/.exec(lab.inHost('ip', '-o', 'link').match(/^.*: hd[^:]*-.*$/m)?.[0] ?? '')?.[1] ?? ''

  it.each(MEANS)('sends nothing to the host (without %s)', async (...without) => {
    const router = await lab.open({ without })
    await router.apply(podTransaction(1))
    for (let round = 0; round < 8; round++) {
      await lab.attach(router, 0)
      await isFlooded()
      // It is made anew for who asks again, as an agent does.
      lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
    }
    await lab.attach(router, 0)
    await isFlooded()
    await router.detachPort(0)
    expect(lab.inHost('ip', '-o', 'link')).toMatch(/: gone\d+@/)
    await setTimeout(300)
    expect(ofHost()).toBe(0)
    for (const port of PODS.keys()) await lab.attach(router, port)
    await vi.waitFor(() => expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: gone/), PATIENTLY)
    await lab.close(router)
    expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: (hd|gone)/)
    expect(ofHost()).toBe(0)
  })

  it.each(MEANS)('sends nothing to the host while its device has no program of this layout (without %s)', async (...without) => {
    const options = { without, pinDirectory: lab.path(`bare-${without.join()}`) }
    const older = await lab.open(options)
    await older.apply(podTransaction(1))
    await lab.attach(older, 0)
    await isFlooded()
    await older.close({ keep: true })
    renameSync(pinsOf(options.pinDirectory), join(options.pinDirectory, `layout-${LAYOUT_VERSION - 1}`))
    const router = await lab.open(options)
    await setTimeout(100)
    expect(state()).toMatch(DOWN)
    await router.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(router, port)
    expect(await lab.ping()).toContain(' 2 received')
    await lab.close(router)
    expect(ofHost()).toBe(0)
  })

  it.each(MEANS)('sends nothing to the host once somebody was found to have taken the program away (without %s)', async (...without) => {
    const warn = vi.fn<Logger['warn']>()
    const router = await lab.open({ without, logger: { ...silentLogger, warn } })
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    await isFlooded()
    const { ports, maps } = router.parts
    let isRefused = true
    const spies = [
      vi.spyOn(maps.object, 'lost').mockImplementation(async (numbers) => numbers),
      vi.spyOn(maps.object, 'restore').mockImplementation(async () => {
        if (isRefused) throw new LinuxError('ENOBUFS', 105, 'attach', 'no room')
      }),
    ]
    for (let look = 0; look < 2; look++) await ports.restoreSome()
    expect(state()).toMatch(DOWN)
    expect(warn.mock.calls.filter(([message]) => message.startsWith('A device has lost its program'))).toHaveLength(1)
    isRefused = false
    await ports.restoreSome()
    expect(state()).toContain('UP')
    for (const spy of spies) spy.mockRestore()
    const before = ofDevice()
    await vi.waitFor(() => expect(ofDevice()).toBeGreaterThan(before + 100), PATIENTLY)
    await lab.close(router)
    expect(ofHost()).toBe(0)
  })

  it.each(MEANS)('sends nothing to the host when it is asked for again without its program (without %s)', async (...without) => {
    const router = await lab.open({ without })
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    await isFlooded()
    const { ports, maps } = router.parts
    const lost = vi.spyOn(maps.object, 'lost').mockImplementation(async (numbers) => numbers)
    const restore = vi.spyOn(maps.object, 'restore').mockRejectedValue(new LinuxError('ENOBUFS', 105, 'attach', 'no room'))
    await ports.restoreSome()
    // Whoever asks again comes before the next look.
    const looks = vi.spyOn(ports, 'restoreSome').mockResolvedValue()
    await expect(lab.attach(router, 0)).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringContaining('the program of port 0 cannot be attached') as string,
    })
    expect(state()).toMatch(DOWN)
    const states: string[] = []
    restore.mockImplementation(async () => void states.push(state()))
    await lab.attach(router, 0)
    expect([states, state()]).toEqual([[expect.stringMatching(DOWN)], expect.stringContaining('UP')])
    for (const spy of [lost, restore, looks]) spy.mockRestore()
    const before = ofDevice()
    await vi.waitFor(() => expect(ofDevice()).toBeGreaterThan(before + 100), PATIENTLY)
    await lab.close(router)
    expect(ofHost()).toBe(0)
  })

  it('sends nothing to the host any more once a dataplane finds its device without program', async () => {
    const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    const [name] = hostNamesOf(ifindex, 0)
    // As behind a process that has pinned nothing.
    lab.inHost(...`ip link add ${name} type veth peer name eth0 netns ${lab.podNetns(0)}`.split(' '))
    lab.inHost('ip', 'link', 'set', name, 'up')
    await isFlooded()
    const router = await lab.open()
    expect(state()).toMatch(DOWN)
    const before = ofHost()
    expect(before).toBeGreaterThan(0)
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    expect(state()).toContain('UP')
    await isFlooded()
    await lab.close(router)
    expect(ofHost()).toBe(before)
  })
})
