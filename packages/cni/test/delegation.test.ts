// Address management by Debian's reference plugins, run as processes.
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recordingLogger } from '@heddle/io/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCni, memoryStore, PoolIpam, type Cni, type Store } from '../src/index.js'
import { execPlugin } from '../src/node/index.js'
import { call, type CallOptions } from './support/calls.js'
import { FakeEndpoints } from './support/fake-endpoints.js'

const REFERENCE = '/usr/lib/cni'
const missing = existsSync(join(REFERENCE, 'host-local')) ? '' : ' (not run: needs the Debian package containernetworking-plugins)'

let folder: string
let endpoints: FakeEndpoints
let store: Store
let cni: Cni
const logger = recordingLogger()
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-cni-delegate-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})
beforeEach(async () => {
  endpoints = new FakeEndpoints()
  store = memoryStore()
  cni = await createCni({
    networks: [{ name: 'red', vrf: 'red', pools: [] }],
    ipam: new PoolIpam({ store }),
    endpoints,
    store,
    delegate: execPlugin({ logger }),
  })
})

/** A plugin of a few lines of shell. */
async function plugin(name: string, body: string, versions = ['0.4.0', '1.0.0']): Promise<string> {
  const bin = join(folder, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(
    join(bin, name),
    `#!/bin/sh\nif [ "$CNI_COMMAND" = VERSION ]; then echo '{"cniVersion":"1.0.0","supportedVersions":${JSON.stringify(versions)}}'; exit; fi\n${body}\n`,
  )
  await chmod(join(bin, name), 0o755)
  return bin
}

describe.skipIf(missing !== '')(`host-local and static${missing}`, () => {
  const local = (more: object = {}): CallOptions => ({
    path: `/nowhere:${REFERENCE}`,
    config: {
      ipam: { type: 'host-local', dataDir: join(folder, 'data'), ranges: [[{ subnet: '10.3.0.0/29' }], [{ subnet: 'fd03::/64' }]] },
    },
    ...more,
  })
  const reserved = async (): Promise<string[]> =>
    (await readdir(join(folder, 'data', 'pods'))).filter((name) => /^10\.|^fd/.test(name)).toSorted()

  it('give routes, which the endpoint has by its device instead of a default one of their family', async () => {
    const { config } = local() as { config: { ipam: object } }
    const routes = [{ dst: '10.9.8.7/8', gw: '10.3.0.1' }, { dst: '192.0.2.0/24' }]
    const { json } = await call(cni, 'ADD', local({ config: { ipam: { ...config.ipam, dataDir: join(folder, 'data-routes'), routes } } }))
    const expected = ['10.0.0.0/8', '192.0.2.0/24', '::/0']
    expect(json.routes).toEqual(expected.map((dst) => ({ dst })))
    expect(endpoints.list()[0].routes?.map(String)).toEqual(expected)
    expect((await call(cni, 'DEL', local())).exitCode).toBe(0)
  })

  it('give addresses that the endpoint has, to a configuration of a version that they do not speak', async () => {
    const { json } = await call(cni, 'ADD', local())
    expect(json).toMatchObject({
      cniVersion: '1.1.0',
      ips: [
        { address: '10.3.0.2/29', gateway: '10.3.0.1', interface: 0 },
        { address: 'fd03::2/64', interface: 0 },
      ],
    })
    expect(endpoints.list()[0].addresses.map(String)).toEqual(['10.3.0.2', 'fd03::2'])
    expect(await reserved()).toEqual(['10.3.0.2', 'fd03::2'])
    expect((await call(cni, 'CHECK', { ...local(), config: { ...local().config, prevResult: json } })).json).toEqual({})
    expect((await call(cni, 'STATUS', local())).exitCode).toBe(0)
    expect(json.routes).toEqual([{ dst: '0.0.0.0/0' }, { dst: '::/0' }])
    expect((await call(cni, 'DEL', local())).exitCode).toBe(0)
    expect(await reserved()).toEqual([])
  })

  it('get their addresses back when the endpoint cannot be made, by GC, and by a DEL that says nothing of them', async () => {
    expect((await call(cni, 'ADD', local({ netns: '/gone/x' }))).json.code).toBe(3)
    expect(await reserved()).toEqual([])
    await call(cni, 'ADD', local())
    expect(await reserved()).toHaveLength(2)
    const { path, config } = local()
    expect((await call(cni, 'GC', { path: path ?? '', config: { ...config, 'cni.dev/valid-attachments': [] } })).exitCode).toBe(0)
    expect(await reserved()).toEqual([])
    await call(cni, 'ADD', local())
    expect((await call(cni, 'DEL')).exitCode).toBe(0)
    expect(await reserved()).toEqual([])
  })

  it.each([
    ['no record is left', '/run/netns/p1'],
    ['neither record nor namespace is left', ''],
  ])('get their addresses back by a DEL of which %s', async (_name, netns) => {
    await call(cni, 'ADD', local())
    store = memoryStore()
    cni = await createCni({
      networks: [{ name: 'red', vrf: 'red', pools: [] }],
      ipam: new PoolIpam({ store }),
      endpoints: new FakeEndpoints(),
      store,
      delegate: execPlugin(),
    })
    expect(await reserved()).toHaveLength(2)
    expect((await call(cni, 'DEL', local({ netns }))).exitCode).toBe(0)
    expect(await reserved()).toEqual([])
  })

  it('say when they have none', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, async (_, n) => call(cni, 'ADD', local({ id: `n${n}`, netns: `/n${n}` }))))
    expect(all.filter(({ exitCode }) => exitCode === 0)).toHaveLength(5)
    const refused = all.find(({ exitCode }) => exitCode === 1)
    expect(refused?.json.msg).toMatch(/^host-local: .*no IP addresses available/)
    for (let n = 0; n < 6; n++) await call(cni, 'DEL', local({ id: `n${n}`, netns: `/n${n}` }))
  })

  it('static gives what the configuration says', async () => {
    const { json } = await call(cni, 'ADD', {
      path: REFERENCE,
      config: {
        cniVersion: '0.4.0',
        ipam: { type: 'static', addresses: [{ address: '10.4.0.9/24', gateway: '10.4.0.1' }], dns: { nameservers: ['10.4.0.1'] } },
      },
    })
    expect(json).toMatchObject({ ips: [{ version: '4', address: '10.4.0.9/24', gateway: '10.4.0.1' }], dns: { nameservers: ['10.4.0.1'] } })
  })

  it('dhcp without its daemon is named with its error, and leaves nothing', async () => {
    const { json } = await call(cni, 'ADD', {
      path: REFERENCE,
      config: { ipam: { type: 'dhcp', daemonSocketPath: join(folder, 'none.sock') } },
    })
    expect(json.msg).toMatch(/^dhcp: /)
    expect(endpoints.list()).toEqual([])
  })
})

describe('a plugin that address management is delegated to', () => {
  const use = (path: string, type: string): CallOptions => ({ path, config: { ipam: { type } }, args: 'K8S_POD_NAME=a' })

  it('gets the environment, and the configuration whole and in a version that it speaks; is told of its failure by a DEL', async () => {
    const path = await plugin(
      'broken',
      `echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $HOME" >> ${folder}/log; cat >> ${folder}/log; echo >> ${folder}/log; echo noise >&2\n[ $CNI_COMMAND = DEL ] || { echo '{"code":101,"msg":"no","details":"why"}'; exit 1; }`,
    )
    const { json } = await call(cni, 'ADD', use(path, 'broken'))
    expect(json).toMatchObject({
      code: 101,
      msg: 'broken: no',
      details: expect.stringMatching(/^why; failed at: addresses; nothing is left/) as string,
    })
    const lines = (await readFile(join(folder, 'log'), 'utf8')).split('\n')
    expect(lines[0]).toBe('ADD c1 /run/netns/p1 eth0 K8S_POD_NAME=a ')
    expect(JSON.parse(lines[1])).toEqual({ cniVersion: '1.0.0', name: 'pods', type: 'heddle', network: 'red', ipam: { type: 'broken' } })
    expect(lines.filter((line) => /^[A-Z]/.test(line)).slice(1)).toEqual([expect.stringMatching(/^DEL c1/)])
    expect(logger.records.some(({ fields }) => String(fields?.['text']).includes('noise'))).toBe(true)
  })

  it.each([
    ['is not there', 'none', '', 104, /plugin none is not there/],
    ['answers no JSON', 'talker', 'echo hello', 104, /what is no JSON/],
    ['gives no address', 'empty', 'cat > /dev/null; echo "{}"', 104, /gave no address/],
    ['gives an address that is none', 'odd', 'echo \'{"ips":[{"address":"x"}]}\'', 104, /ips\[0\]\.address/],
    ['is killed', 'victim', 'kill -9 $$', 104, /ended by SIGKILL/],
    ['speaks no version of ours', 'old', '', 1, /old speaks no version/],
  ])('that %s is named', async (_name, type, body, code, text) => {
    const path = type === 'none' ? folder : await plugin(type, body)
    if (type === 'old') await writeFile(join(path, 'old'), '#!/bin/sh\necho \'{"cniVersion":"0.2.0","supportedVersions":["0.2.0"]}\'\n')
    const { json } = await call(cni, 'ADD', use(path, type))
    expect(json).toMatchObject({ code, msg: expect.stringMatching(text) as string })
    expect(endpoints.list()).toEqual([])
  })

  it('that fails to take its addresses back fails the DEL, which the next one brings to its end', async () => {
    const ready = join(folder, 'ready')
    const path = await plugin(
      'stuck',
      `cat > /dev/null; [ $CNI_COMMAND = DEL ] || { echo '{"ips":[{"address":"10.5.0.9/24"}]}'; exit 0; }\n[ -e ${ready} ] || { echo '{"code":11,"msg":"busy"}'; exit 1; }`,
    )
    expect((await call(cni, 'ADD', use(path, 'stuck'))).exitCode).toBe(0)
    expect((await call(cni, 'DEL', use(path, 'stuck'))).json).toMatchObject({ code: 100, details: 'addresses: stuck: busy' })
    expect(cni.attachments()).toMatchObject([{ phase: 'removing' }])
    await writeFile(ready, '')
    expect((await call(cni, 'DEL', use(path, 'stuck'))).exitCode).toBe(0)
    expect(cni.attachments()).toEqual([])
  })

  it('that speaks 1.1.0 gets STATUS, whose 51 is handed on while any other code is 50, and GC with its list', async () => {
    const [log, code] = [join(folder, 'log-1.1.0'), join(folder, 'code')]
    const path = await plugin('newest', `cat >> ${log}; echo >> ${log}; [ $CNI_COMMAND = GC ] || { cat ${code}; exit 1; }`, ['1.1.0'])
    for (const [answered, expected] of [
      [51, 51],
      [50, 50],
      [11, 50],
    ]) {
      await writeFile(code, JSON.stringify({ code: answered, msg: 'full' }))
      expect((await call(cni, 'STATUS', use(path, 'newest'))).json).toMatchObject({ code: expected, msg: 'newest: full' })
    }
    const list = { 'cni.dev/valid-attachments': [{ containerID: 'c9', ifname: 'eth0' }] }
    expect((await call(cni, 'GC', { path, config: { ipam: { type: 'newest' }, ...list } })).exitCode).toBe(0)
    const asked = (await readFile(log, 'utf8')).trim().split('\n')
    expect(asked).toHaveLength(4)
    expect(JSON.parse(asked[3])).toMatchObject(list)
  })

  it('that does not end is ended', async () => {
    const path = await plugin('sleeper', 'exec sleep 30')
    cni = await createCni({
      networks: [{ name: 'red', vrf: 'red', pools: [] }],
      ipam: new PoolIpam({ store }),
      endpoints,
      store,
      delegate: execPlugin({ timeout: 150 }),
    })
    const { json } = await call(cni, 'ADD', use(path, 'sleeper'))
    expect(json).toMatchObject({ code: 11, msg: 'sleeper did not end within 150 ms' })
  })
})
