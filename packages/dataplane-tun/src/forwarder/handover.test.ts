import { closeDescriptor, nativeAvailability } from '@heddle/linux'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerHandover, takeHandover, type Handover } from './handover.js'

const native = nativeAvailability()

describe.skipIf(!native.available)(`a hand-over${native.available ? '' : ` (skipped: ${native.reason})`}`, () => {
  let folder: string
  const opened: number[] = []
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'hd-handover-'))))
  afterAll(() => {
    for (const fd of opened) closeSync(fd)
    if (folder !== undefined) rmSync(folder, { recursive: true })
  })

  /** A descriptor that can be told from others by what it reads. */
  const named = (name: string): number => {
    writeFileSync(join(folder, name), name)
    const fd = openSync(join(folder, name), 'r')
    opened.push(fd)
    return fd
  }
  const nameOf = (fd: number): string => readFileSync(`/proc/self/fd/${fd}`, 'utf8')
  const namesOf = ({ receivers, bfd, devices }: Handover) => ({
    receivers: receivers.map(({ mplsUdp, legacy, vxlan, gre }) => ({
      mplsUdp: nameOf(mplsUdp),
      legacy: legacy && nameOf(legacy),
      vxlan: vxlan && nameOf(vxlan),
      gre: gre && nameOf(gre),
    })),
    bfd: bfd.map(nameOf),
    devices: devices.map(({ port, fd }) => ({ port, fd: nameOf(fd) })),
  })

  it('keeps what descriptors are, and is taken though it comes later than it was announced', async () => {
    const handover: Handover = {
      receivers: [
        { mplsUdp: named('m'), legacy: named('l'), vxlan: named('v'), gre: named('g') },
        { mplsUdp: named('n'), legacy: undefined, vxlan: undefined, gre: undefined },
      ],
      bfd: [named('b0'), named('b1')],
      // More than one offer has room for.
      devices: Array.from({ length: 250 }, (_, port) => ({ port, fd: named(`p${port}`) })),
    }
    const path = join(folder, 'offer')
    const taking = takeHandover(path, 2)
    // It has found nothing by then.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { offers, taken } = offerHandover(path, handover)
    const got = await taking
    await taken
    expect(offers).toBe(2)
    expect(namesOf(got)).toEqual(namesOf(handover))
    const all = got.receivers.flatMap(({ mplsUdp, legacy, vxlan, gre }) => [mplsUdp, legacy ?? -1, vxlan ?? -1, gre ?? -1])
    for (const fd of [...all, ...got.bfd, ...got.devices.map((one) => one.fd)]) if (fd >= 0) closeDescriptor(fd)
  })
})
