import type { EbpfDeviceKind } from '@heddle/dataplane-ebpf'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { missingNetkit } from '../src/probe.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { podTransaction, RouterLab } from './support/router-lab.js'

const hasEthtool = existsSync('/usr/sbin/ethtool')
const lack = missing() || (hasEthtool ? '' : 'needs ethtool')
const kinds: readonly EbpfDeviceKind[] = lack === '' && missingNetkit() === '' ? ['veth', 'netkit'] : ['veth']

/** What the endpoint's end leaves to the kernel to cut before the router's programs see it. */
const CUT_BEFORE = ['tx-sctp-segmentation', 'tx-udp_tnl-segmentation', 'tx-gre-segmentation', 'tx-ipxip4-segmentation'] as const
/** What goes through whole. */
const WHOLE = ['tx-tcp-segmentation', 'tx-tcp6-segmentation', 'tx-udp-segmentation'] as const

describe.skipIf(lack !== '')(titled('offloads of endpoints', lack), () => {
  const lab = new RouterLab('offloads')
  /** @param name of the device by now */
  const stateOf = (features: readonly string[], name = 'eth0'): readonly (string | undefined)[] => {
    const text = lab.inPod(0, 'ethtool', '-k', name)
    return features.map((feature) => new RegExp(`^\\s*${feature}: (\\w+)`, 'm').exec(text)?.[1])
  }
  const setSctp = (state: 'on' | 'off', name = 'eth0'): string => lab.inPod(0, 'ethtool', '-K', name, 'tx-sctp-segmentation', state)
  /** By a device that is down: one that is up has no other name before Linux 6.2. */
  const rename = (from: string, to: string): void => {
    lab.inPod(0, 'ip', 'link', 'set', from, 'down')
    lab.inPod(0, 'ip', 'link', 'set', from, 'name', to, 'up')
  }
  const isOff = (features: readonly string[]): readonly string[] => features.map(() => 'off')
  const isOn = (features: readonly string[]): readonly string[] => features.map(() => 'on')

  it.each(kinds)('are those that frames keep in a tunnel, with %s', async (devices) => {
    const router = await lab.open({ devices })
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    expect(stateOf(CUT_BEFORE)).toEqual(isOff(CUT_BEFORE))
    expect(stateOf(WHOLE)).toEqual(isOn(WHOLE))
    setSctp('on')
    expect(stateOf(['tx-sctp-segmentation'])).toEqual(['on'])
    await lab.attach(router, 0)
    expect(stateOf(CUT_BEFORE)).toEqual(isOff(CUT_BEFORE))
  })

  it.each(kinds)('are the same on devices that are taken over, whatever they are called by now, with %s', async (devices) => {
    const pinDirectory = lab.path(`kept-${devices}`)
    let router = await lab.open({ pinDirectory, devices })
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    for (const name of ['eth0', 'eth9']) {
      await router.close({ keep: true })
      setSctp('on')
      if (name !== 'eth0') rename('eth0', name)
      router = await lab.open({ pinDirectory, devices })
      await expect.poll(() => stateOf(CUT_BEFORE, name), { timeout: 60_000 * PACE }).toEqual(isOff(CUT_BEFORE))
      expect(stateOf(WHOLE, name)).toEqual(isOn(WHOLE))
    }
  })
})
