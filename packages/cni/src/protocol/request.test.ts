import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CniError } from './cni-error.js'
import type { Environment } from './environment.js'
import { readRequest, type CniRequest } from './request.js'

const ADD = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/pod',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin:/usr/lib/cni',
}
const config = (more: object = {}): object => ({ cniVersion: '1.1.0', name: 'net', type: 'heddle', ...more })

function refusal(environment: Environment, input: unknown): { code: number; text: string } {
  try {
    readRequest(environment, typeof input === 'string' ? input : JSON.stringify(input))
  } catch (error) {
    if (!(error instanceof CniError)) throw error
    return { code: error.code, text: `${error.message} | ${error.details}` }
  }
  return { code: 0, text: '' }
}

function accepted(environment: Environment, input: unknown): CniRequest {
  return readRequest(environment, JSON.stringify(input))
}

describe('a call', () => {
  it('of ADD has everything the environment and the configuration say', () => {
    const request = accepted(
      { ...ADD, CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=a=b;;__proto__=x', HOME: '/root' },
      config({
        network: 'red',
        runtimeConfig: { ips: ['10.0.0.1'] },
        args: { cni: { labels: [] } },
        dns: { nameservers: ['10.0.0.2'] },
        unknown: [1],
      }),
    )
    expect(request).toMatchObject({
      verb: 'ADD',
      containerId: 'c1',
      netns: '/run/netns/pod',
      ifname: 'eth0',
      path: ['/opt/cni/bin', '/usr/lib/cni'],
      config: {
        cniVersion: '1.1.0',
        name: 'net',
        type: 'heddle',
        dns: { nameservers: ['10.0.0.2'] },
        runtimeConfig: { ips: ['10.0.0.1'] },
        args: { labels: [] },
      },
    })
    const { args } = request as Extract<CniRequest, { verb: 'ADD' }>
    expect(Object.entries(args)).toEqual([
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAME', 'a=b'],
      ['__proto__', 'x'],
    ])
  })

  it('of DEL needs no namespace, and does not look at a prevResult', () => {
    const request = accepted({ ...ADD, CNI_COMMAND: 'DEL', CNI_NETNS: undefined, CNI_PATH: undefined }, config({ prevResult: 'rubbish' }))
    expect(request).toMatchObject({ verb: 'DEL', netns: '' })
  })

  it('of GC takes either key for what is valid, and prefers the specified one', () => {
    const gc = { CNI_COMMAND: 'GC', CNI_PATH: '/x' }
    const one = [{ containerID: 'a', ifname: 'eth0' }]
    const two = [{ containerID: 'b', ifname: 'eth0' }]
    expect(accepted(gc, config({ 'cni.dev/attachments': two }))).toMatchObject({ validAttachments: [{ containerId: 'b', ifname: 'eth0' }] })
    expect(accepted(gc, config({ 'cni.dev/attachments': two, 'cni.dev/valid-attachments': one }))).toMatchObject({
      validAttachments: [{ containerId: 'a', ifname: 'eth0' }],
    })
    expect(accepted(gc, config({ 'cni.dev/valid-attachments': [] }))).toMatchObject({ validAttachments: [] })
  })

  it('of VERSION works with nothing on standard input, and with any version', () => {
    expect(readRequest({ CNI_COMMAND: 'VERSION' }, '')).toEqual({ verb: 'VERSION', cniVersion: '1.1.0' })
    expect(accepted({ CNI_COMMAND: 'VERSION' }, { cniVersion: '0.4.0' })).toEqual({ verb: 'VERSION', cniVersion: '0.4.0' })
    expect(accepted({ CNI_COMMAND: 'VERSION' }, { cniVersion: '2.0.0' })).toEqual({ verb: 'VERSION', cniVersion: '2.0.0' })
  })

  const check = { ...ADD, CNI_COMMAND: 'CHECK' }
  const status = { CNI_COMMAND: 'STATUS' }
  const gc = { CNI_COMMAND: 'GC', CNI_PATH: '/x' }
  const refusals: [string, Environment, unknown, number, RegExp][] = [
    ['no verb', {}, config(), 4, /CNI_COMMAND is missing.*STATUS/],
    ['an unknown verb', { ...ADD, CNI_COMMAND: 'add' }, config(), 4, /CNI_COMMAND "add" is unknown/],
    [
      'an ADD without anything',
      { CNI_COMMAND: 'ADD' },
      config(),
      4,
      /CNI_CONTAINERID is missing; CNI_NETNS is missing; CNI_IFNAME is missing/,
    ],
    [
      'a CHECK without anything',
      { CNI_COMMAND: 'CHECK' },
      config({ prevResult: {} }),
      4,
      /CNI_CONTAINERID is missing; CNI_NETNS is missing; CNI_IFNAME is missing/,
    ],
    ['a DEL without anything', { CNI_COMMAND: 'DEL' }, config(), 4, /^CNI_CONTAINERID is missing; CNI_IFNAME is missing \|/],
    ['a container ID with a slash', { ...ADD, CNI_CONTAINERID: '../x' }, config(), 4, /CNI_CONTAINERID "..\/x"/],
    ['two wrong variables at once', { ...ADD, CNI_CONTAINERID: '-', CNI_IFNAME: '..' }, config(), 4, /CNI_CONTAINERID.*CNI_IFNAME "\.\."/],
    ['an interface name that is too long', { ...ADD, CNI_IFNAME: 'x'.repeat(16) }, config(), 4, /CNI_IFNAME.*15/],
    ['an interface name that is too long in octets', { ...ADD, CNI_IFNAME: 'é'.repeat(8) }, config(), 4, /CNI_IFNAME.*15/],
    ['an interface name with a colon', { ...ADD, CNI_IFNAME: 'a:b' }, config(), 4, /CNI_IFNAME/],
    ['an interface name with a blank', { ...ADD, CNI_IFNAME: 'a b' }, config(), 4, /CNI_IFNAME/],
    ['args without a value', { ...ADD, CNI_ARGS: 'IP' }, config(), 4, /CNI_ARGS has "IP"/],
    ['a GC without a path', { CNI_COMMAND: 'GC' }, config({ 'cni.dev/valid-attachments': [] }), 4, /CNI_PATH is missing/],
    ['nothing on standard input', ADD, '', 6, /standard input is empty/],
    ['no JSON', ADD, '{', 6, /no JSON/],
    ['JSON that is no object', ADD, '[]', 6, /no JSON object/],
    ['a version that is no text', ADD, config({ cniVersion: 1 }), 6, /cniVersion 1/],
    ['a version that is none', ADD, config({ cniVersion: '1.1' }), 6, /cniVersion "1.1"/],
    [
      'no version, which means 0.1.0',
      ADD,
      config({ cniVersion: undefined }),
      1,
      /0\.1\.0 is not supported.*0\.3\.1, 0\.4\.0, 1\.0\.0, 1\.1\.0/,
    ],
    ['a version to come', ADD, config({ cniVersion: '1.2.0' }), 1, /1\.2\.0/],
    ['no name', ADD, config({ name: undefined }), 7, /name is missing/],
    ['a name with a blank', ADD, config({ name: 'a b' }), 7, /name is "a b"/],
    ['no type', ADD, config({ type: '' }), 7, /type/],
    ['a runtimeConfig that is a list', ADD, config({ runtimeConfig: [] }), 7, /runtimeConfig is \[\]/],
    ['nameservers that are no texts', ADD, config({ dns: { nameservers: [1] } }), 7, /dns\.nameservers\[0\] is 1/],
    [
      'a prevResult with an address that is none',
      ADD,
      config({ prevResult: { ips: [{ address: '10.0.0.1' }] } }),
      7,
      /prevResult\.ips\[0\]\.address/,
    ],
    [
      'a prevResult that points nowhere',
      ADD,
      config({ prevResult: { ips: [{ address: '10.0.0.1/8', interface: 0 }] } }),
      7,
      /prevResult\.ips\[0\]\.interface/,
    ],
    ['a CHECK before 0.4.0', check, config({ cniVersion: '0.3.1', prevResult: {} }), 1, /CHECK.*0\.3\.1.*0\.4\.0/],
    ['a CHECK without prevResult', check, config(), 7, /prevResult is missing/],
    ['a STATUS before 1.1.0', status, config({ cniVersion: '1.0.0' }), 1, /STATUS/],
    ['a GC before 1.1.0', gc, config({ cniVersion: '1.0.0', 'cni.dev/valid-attachments': [] }), 1, /GC/],
    ['a GC without a list', gc, config(), 7, /valid-attachments is missing.*nothing was removed/],
    ['a GC of which the list is null', gc, config({ 'cni.dev/valid-attachments': null }), 7, /valid-attachments is missing/],
    [
      'a GC with an attachment that has no interface',
      gc,
      config({ 'cni.dev/valid-attachments': [{ containerID: 'a' }] }),
      7,
      /valid-attachments\[0\]\.ifname/,
    ],
    ['a VERSION with no JSON', { CNI_COMMAND: 'VERSION' }, 'x', 6, /no JSON/],
  ]
  it.each(refusals)('is refused with %s', (_name, environment, input, code, text) => {
    const found = refusal(environment, input)
    expect(found.code).toBe(code)
    expect(found.text).toMatch(text)
  })

  it('that is anything at all is taken or refused, never anything else', () => {
    const verb = fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', '')
    const input = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          cniVersion: fc.constantFrom('0.3.1', '1.1.0'),
          name: fc.constant('n'),
          type: fc.constant('t'),
          prevResult: fc.jsonValue(),
          dns: fc.jsonValue(),
          args: fc.jsonValue(),
          ipam: fc.jsonValue(),
          'cni.dev/valid-attachments': fc.jsonValue(),
        })
        .map((value) => JSON.stringify(value)),
    )
    fc.assert(
      fc.property(verb, fc.string(), fc.string(), input, (CNI_COMMAND, CNI_CONTAINERID, CNI_ARGS, text) => {
        const environment = { ...ADD, CNI_COMMAND, CNI_ARGS, ...(CNI_CONTAINERID === '' ? {} : { CNI_CONTAINERID }) }
        const { code } = refusal(environment, text)
        expect([0, 1, 4, 6, 7]).toContain(code)
      }),
      { numRuns: 500 },
    )
  })
})
