import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { describe, expect, it } from 'vitest'
import { chooseMeans, missingNetkit } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL } from './support/router.js'

describe.skipIf(missing() !== '')(titled('what devices new endpoints get'), () => {
  it('is netkit where the kernel has it, and veth where it lacks it or is to do without', () => {
    const lack = missingNetkit()
    const { devices, devicesBecause } = chooseMeans(undefined, [])
    expect(devices).toBe(lack === '' ? 'netkit' : 'veth')
    expect(devicesBecause).toContain(lack)
    expect(chooseMeans(undefined, ['netkit'])).toMatchObject({
      devices: 'veth',
      devicesBecause: expect.stringContaining('to be done without'),
    })
  })

  it('is what was asked for, and refused by the name of what lacks', async () => {
    for (const devices of ['veth', 'netkit'] as const) {
      expect(chooseMeans(devices, [])).toMatchObject({ devices, devicesBecause: expect.stringContaining(`devices: ${devices}`) })
    }
    const asked = ebpfDataplane({ addresses: [LOCAL[4]], uplink: 'lo', devices: 'netkit', without: ['netkit'] })
    await expect(asked).rejects.toMatchObject({ code: 'dataplane.device', message: expect.stringContaining('netkit (since Linux 6.7)') })
  })

  it('is not left to a feature that nobody knows: one is refused that is to be done without', async () => {
    const without = ['netkid' as 'netkit']
    await expect(ebpfDataplane({ addresses: [LOCAL[4]], uplink: 'lo', without })).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringMatching(/^without netkid: one of bpf, .*netkit, .* is needed /),
    })
  })
})
