// The executable under the name `loopback`, which a runtime calls by itself, in real namespaces.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callOf, type Answer } from './support/calls.js'
import { CLIENT, start } from './support/client.js'
import { labMissing, Namespaces } from './support/node-lab.js'

const missing = labMissing()
describe.skipIf(missing !== '')(`loopback${missing === '' ? '' : ` (not run: ${missing})`}`, () => {
  let namespaces: Namespaces
  let folder: string
  let netns: string
  beforeAll(() => {
    namespaces = new Namespaces()
    netns = namespaces.path('pod')
    folder = mkdtempSync(join(tmpdir(), 'heddle-loopback-'))
    symlinkSync(CLIENT, join(folder, 'loopback'))
  })
  afterAll(() => {
    namespaces.close()
    rmSync(folder, { recursive: true })
  })

  const call = async (verb: string, config: object, where = netns): Promise<{ exitCode: number; answer: Answer }> => {
    const { environment, input } = callOf(verb, { netns: where, ifname: 'lo', config: { type: 'loopback', network: undefined, ...config } })
    const { exitCode, output } = await start(join(folder, 'loopback'), environment, input).ended
    return { exitCode, answer: output === '' ? {} : (JSON.parse(output) as Answer) }
  }
  const isUp = (): boolean => namespaces.in('pod', 'ip', '-o', 'link', 'show', 'lo').includes('LOOPBACK,UP')

  it('brings the device up and tells of it in the version that it is asked in', async () => {
    namespaces.in('pod', 'ip', 'link', 'set', 'lo', 'down')
    expect((await call('CHECK', { cniVersion: '0.4.0' })).answer).toMatchObject({ code: 103 })
    const old = await call('ADD', { cniVersion: '0.3.1' })
    expect(old).toMatchObject({
      exitCode: 0,
      answer: { cniVersion: '0.3.1', ips: [{ version: '4', address: '127.0.0.1/8', interface: 0 }, { version: '6' }] },
    })
    expect(isUp()).toBe(true)
    expect((await call('CHECK', { cniVersion: '0.4.0' })).exitCode).toBe(0)
    const { answer } = await call('ADD', { cniVersion: '1.1.0' })
    expect(answer).toMatchObject({
      interfaces: [{ name: 'lo', sandbox: netns }],
      ips: [{ address: '127.0.0.1/8' }, { address: '::1/128' }],
    })
    expect(answer.ips?.[0]).not.toHaveProperty('version')
  })

  it('hands on what plugins before it made', async () => {
    const prevResult = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: netns }], ips: [{ address: '10.0.0.1/32' }] }
    expect((await call('ADD', { cniVersion: '1.0.0', prevResult })).answer).toEqual(prevResult)
  })

  it('takes the device down, knows its versions, and names what is not there', async () => {
    expect(await call('DEL', { cniVersion: '1.0.0' })).toEqual({ exitCode: 0, answer: {} })
    expect(isUp()).toBe(false)
    expect((await call('VERSION', {})).answer.supportedVersions).toContain('0.3.1')
    expect((await call('DEL', {}, '')).exitCode).toBe(0)
    expect((await call('ADD', {}, '')).answer).toMatchObject({ code: 4, msg: 'CNI_NETNS is missing' })
    expect((await call('ADD', {}, '/run/netns/hdcni-none')).answer).toMatchObject({ code: 3 })
    expect((await call('STATUS', {})).exitCode).toBe(0)
  })
})
