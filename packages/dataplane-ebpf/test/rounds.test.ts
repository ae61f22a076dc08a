import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { missing, titled } from './support/requirements.js'
import { isMounted, PODS, RouterLab } from './support/router-lab.js'
import type { Said } from './support/rounds-agent.js'

describe.skipIf(missing() !== '')(titled('an eBPF dataplane that goes on for long'), () => {
  const lab = new RouterLab('rounds')

  it('holds as many descriptors, pins and entries of maps after many rounds as after a few, and when it was opened again', () => {
    const agent = fileURLToPath(new URL('support/rounds-agent.ts', import.meta.url))
    const pinDirectory = lab.path('pins')
    const pods = Array.from(PODS.keys(), (port) => lab.podNetns(port))
    const words = [`--net=${lab.netns}`, process.execPath, ...RUN_SOURCES, agent, pinDirectory, '10', '4', ...pods]
    const said = JSON.parse(execFileSync('nsenter', words, { encoding: 'utf8' })) as Said[]
    const [first, ...others] = said.map(({ held }) => held)
    expect(first.entries).toEqual({ links: 0, devices: 0, requests: 0, mirrors: 0, observed: 0, snap_lengths: 0 })
    expect(others).toEqual([first, first, first])
    expect(isMounted(pinDirectory)).toBe(false)
  })
})
