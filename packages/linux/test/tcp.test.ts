import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { promisify } from 'node:util'
import {
  TransportError,
  type Connection,
  type Listener,
  type SignatureDrops,
  type StreamAuthentication,
  type StreamProtection,
  type TcpAoKey,
  type Transport,
} from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { Netlink, UnsupportedError, linuxTcpTransport, probe } from '../src/index.js'
import { closeDescriptor } from '../src/descriptor-handover.js'
import { call, callAsync } from '../src/native/call.js'
import { LinuxTcpListener } from '../src/tcp/listener.js'
import type { Readiness } from '../src/tcp/readiness.js'
import { availability, because, loopback, missing, namespaces, noLoopback, unbuilt } from './support.js'

const made = namespaces()
const KEY: StreamProtection = { authentication: { kind: 'tcp-md5', key: 'a secret' } }
const run = promisify(execFile)
/** iproute2 in a namespace. */
const ip = (namespace: string, words: string): Promise<unknown> => run('ip', ['-n', namespace, ...words.split(' ')])
const noMd5 = ((feature) => (feature.available ? '' : ` (not run: ${feature.reason})`))(probe().features['tcp-md5'])

const noAo = ((feature) => (feature.available ? '' : ` (not run: ${feature.reason})`))(probe().features['tcp-ao'])
const noVrf =
  missing === '' && spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'red', 'type', 'vrf', 'table', '10']).status === 0
    ? ''
    : ' (not run: the kernel has no VRF)'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** Two namespaces joined by `eth0`: 10.9.0.1 and 10.9.0.2, 2001:db8:9::1 and ::2, fe80::1 and ::2. */
async function pair(): Promise<{ near: Transport; far: Transport; names: { readonly far: string } }> {
  const [left, right] = [await made.create(), await made.create()]
  for (const [at, namespace] of [left, right].entries()) {
    const netlink = await Netlink.open(namespace)
    if (at === 0) await netlink.links.createVeth({ name: 'eth0', peer: 'eth0', peerNamespace: right })
    await netlink.links.change('eth0', { linkLocal: false })
    for (const address of [`10.9.0.${at + 1}/24`, `2001:db8:9::${at + 1}/64`, `fe80::${at + 1}/64`]) {
      await netlink.addresses.add('eth0', address, { noDad: true })
    }
    await netlink.links.change('eth0', { up: true })
    netlink.close()
  }
  const names = { far: right.name }
  return { near: linuxTcpTransport({ namespace: left }), far: linuxTcpTransport({ namespace: right }), names }
}

async function listenAt(
  transport: Transport,
  address: string,
  protection: Parameters<Transport['listen']>[0]['protection'] = [],
): Promise<Listener> {
  const listener = await transport.listen({ address: IpAddress.parse(address), port: 1790, protection })
  open.push(listener)
  return listener
}

async function connectTo(
  transport: Transport,
  address: string,
  protection?: StreamProtection,
  zone?: string,
  patience = 10_000,
): Promise<Connection> {
  const remote = { address: IpAddress.parse(address), port: 1790, ...(zone === undefined ? {} : { zone }) }
  const signal = AbortSignal.timeout(patience)
  const connection = await transport.connect({ remote, signal, ...(protection === undefined ? {} : { protection }) })
  open.push({ close: () => connection.reset() })
  return connection
}

async function accepted(listener: Listener): Promise<Connection> {
  for await (const connection of listener.connections) {
    open.push({ close: () => connection.reset() })
    return connection
  }
  throw new RangeError('the listener was closed')
}

async function said(connection: Connection): Promise<string> {
  for await (const chunk of connection.chunks) return new TextDecoder().decode(chunk)
  return ''
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
/** What does not happen is waited for this long: a SYN that is answered is answered within microseconds. */
const SILENCE = 400

describe.skipIf(!availability.available || loopback !== '')(`a listener${unbuilt}${noLoopback}`, () => {
  // Whoever connected fast enough ended everything else that the process did.
  it('accepts some at a time, and those that are left behind everything else', async () => {
    const fd = await callAsync((native) => native.tcpOpen(undefined, 4, undefined))
    call((native) => native.tcpBind(fd, { address: '127.0.0.1', port: 0 }, true))
    let ready = (): void => undefined
    let [rearmed, adopted] = [0, 0]
    const watch = (_fd: number, _interest: number, told: () => void): unknown => {
      ready = told
      return { rearm: () => rearmed++, close: () => undefined }
    }
    const adopt = (connection: { readonly fd: number }): Connection => {
      adopted++
      closeDescriptor(connection.fd)
      return { reset: () => undefined } as unknown as Connection
    }
    const readiness = { watch } as unknown as Readiness
    const listener = new LinuxTcpListener(fd, 'listening', 4, undefined, [], { namespace: undefined, readiness, adopt })
    open.push(listener)
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const client = createConnection(listener.local.port, '127.0.0.1').on('error', () => undefined)
        open.push({ close: () => client.destroy() })
        await once(client, 'connect')
      }),
    )
    const accepts = (): readonly number[] => {
      const [before, armed] = [adopted, rearmed]
      ready()
      return [adopted - before, rearmed - armed]
    }
    expect([accepts(), accepts(), accepts(), accepts()]).toEqual([
      [16, 1],
      [16, 1],
      [8, 1],
      [0, 1],
    ])
  })
})

describe.skipIf(missing !== '')(`TCP with options${because}`, () => {
  it('connects within a namespace, over IPv4, IPv6 and link-local addresses, and carries octets both ways', async () => {
    const { near, far } = await pair()
    const listener = await listenAt(far, '::')
    const ends = []
    for (const [address, zone] of [
      ['10.9.0.2', undefined],
      ['2001:db8:9::2', undefined],
      ['fe80::2', 'eth0'],
    ] as const) {
      const here = await connectTo(near, address, undefined, zone)
      const there = await accepted(listener)
      here.write(text('hello'))
      expect(await said(there)).toBe('hello')
      there.write(text('good day'))
      expect(await said(here)).toBe('good day')
      ends.push([here.remote.address.toString(), here.remote.zone, there.local.address.toString(), there.remote.zone])
    }
    expect(ends).toEqual([
      ['10.9.0.2', undefined, '10.9.0.2', undefined],
      ['2001:db8:9::2', undefined, '2001:db8:9::2', undefined],
      ['fe80::2', 'eth0', 'fe80::2', 'eth0'],
    ])
    await expect(connectTo(far, '10.9.0.1')).rejects.toMatchObject({ code: 'transport.refused' })
    await expect(connectTo(far, '10.9.0.1', undefined, 'eth7')).rejects.toThrow(/'eth7'.*ENODEV/)
    await expect(listenAt(far, '10.9.0.9')).rejects.toMatchObject({ code: 'transport.address-unavailable' })
    await expect(listenAt(far, '::')).rejects.toMatchObject({ code: 'transport.address-in-use' })
  })

  it('is bound to a device: what comes by another one is not for it', async () => {
    const { near, far } = await pair()
    const bound = await far.listen({ address: IpAddress.parse('0.0.0.0'), port: 1790, zone: 'eth0' })
    open.push(bound)
    await connectTo(near, '10.9.0.2', undefined, 'eth0')
    const { local, remote } = await accepted(bound)
    expect([local.zone, remote.zone]).toEqual(['eth0', 'eth0'])
    await expect(connectTo(far, '10.9.0.2', undefined, 'lo')).rejects.toThrow(TransportError)
  })

  it.skipIf(noMd5 !== '')(`signs with TCP MD5, by address and by prefix, and refuses another key or none${noMd5}`, async () => {
    const { near, far } = await pair()
    const peer = IpAddress.parse('10.9.0.1')
    for (const [address, protection] of [
      ['10.9.0.2', [{ peer, ...KEY }]],
      [
        '::',
        [
          { peer, prefixLength: 24, ...KEY },
          { peer: IpAddress.parse('2001:db8:9::'), prefixLength: 64, ...KEY },
        ],
      ],
    ] as const) {
      const listener = await listenAt(far, address, protection)
      for (const to of address === '::' ? ['10.9.0.2', '2001:db8:9::2'] : ['10.9.0.2']) {
        const here = await connectTo(near, to, KEY)
        const there = await accepted(listener)
        here.write(text('signed'))
        expect(await said(there)).toBe('signed')
        for (const wrong of [{ authentication: { kind: 'tcp-md5', key: 'another' } } as const, undefined]) {
          await expect(connectTo(near, to, wrong, undefined, SILENCE)).rejects.toMatchObject({ code: 'transport.aborted' })
        }
      }
      listener.protect?.([])
      await expect(connectTo(near, '10.9.0.2', KEY, undefined, SILENCE)).rejects.toMatchObject({ code: 'transport.aborted' })
      await connectTo(near, '10.9.0.2')
      await listener.close()
    }
  })

  it.skipIf(noMd5 !== '')(`counts in its namespace what it dropped because of signatures${noMd5}`, async () => {
    const { near, far } = await pair()
    const drops = async (transport: Transport): Promise<SignatureDrops | undefined> => transport.signatureDrops?.()
    const NONE = { unsigned: 0, unexpected: 0, wrong: 0 }
    expect([await drops(near), await drops(far)]).toEqual([NONE, NONE])
    const listener = await listenAt(far, '10.9.0.2', [{ peer: IpAddress.parse('10.9.0.1'), ...KEY }])
    const attempt = async (protection?: StreamProtection): Promise<void> =>
      expect(connectTo(near, '10.9.0.2', protection, undefined, SILENCE)).rejects.toMatchObject({ code: 'transport.aborted' })
    await attempt({ authentication: { kind: 'tcp-md5', key: 'another' } })
    await expect.poll(async () => (await drops(far))?.wrong).toBeGreaterThan(0)
    expect(await drops(far)).toMatchObject({ unsigned: 0, unexpected: 0 })
    await attempt()
    await expect.poll(async () => (await drops(far))?.unsigned).toBeGreaterThan(0)
    listener.protect?.([])
    await attempt(KEY)
    await expect.poll(async () => (await drops(far))?.unexpected).toBeGreaterThan(0)
    expect(await drops(near)).toEqual(NONE)
  })

  it.skipIf(noMd5 !== '')(`changes a TCP MD5 key while the stream goes on${noMd5}`, async () => {
    const { near, far } = await pair()
    const listener = await listenAt(far, '10.9.0.2', [{ peer: IpAddress.parse('10.9.0.1'), ...KEY }])
    const here = await connectTo(near, '10.9.0.2', KEY)
    const there = await accepted(listener)
    here.rekey?.({ kind: 'tcp-md5', key: 'the next one' })
    here.write(text('late')) // lost, until the other end knows the key too
    there.rekey?.({ kind: 'tcp-md5', key: 'the next one' })
    expect(await said(there)).toBe('late')
    expect(() => here.rekey?.({ kind: 'tcp-ao', keys: [] })).toThrow(TransportError)
  })

  it('lets nobody in from further away than the TTL allows (RFC 5082)', async () => {
    const { near, far } = await pair()
    const peer = IpAddress.parse('10.9.0.1')
    const v6 = IpAddress.parse('2001:db8:9::1')
    const gtsm = { hopLimit: 255, minimumHopLimit: 255 }
    const listener = await listenAt(far, '::', [
      { peer, ...gtsm },
      { peer: v6, ...gtsm },
    ])
    for (const address of ['10.9.0.2', '2001:db8:9::2']) {
      await connectTo(near, address, { hopLimit: 64 }) // the handshake alone shows nothing
      const here = await connectTo(near, address, gtsm)
      const there = await accepted(listener)
      here.write(text('near'))
      expect(await said(there)).toBe('near')
      expect(there.remote.port).toBe(here.local.port) // the one from afar was not handed out
    }
    // the other way round: answers come from too far
    const plain = await far.listen({ address: IpAddress.parse('10.9.0.2'), port: 1791 })
    open.push(plain)
    const remote = { address: IpAddress.parse('10.9.0.2'), port: 1791 }
    await expect(near.connect({ remote, protection: gtsm, signal: AbortSignal.timeout(SILENCE) })).rejects.toMatchObject({
      code: 'transport.aborted',
    })
  })

  it.skipIf(noAo !== '')(`signs with TCP-AO, refuses another key, and goes from key to key while the stream goes on${noAo}`, async () => {
    const { near, far } = await pair()
    const key = (id: number, secret: string, algorithm: TcpAoKey['algorithm'] = 'hmac-sha-1-96'): TcpAoKey => ({
      sendId: id,
      receiveId: id,
      algorithm,
      key: secret,
    })
    const ao = (...keys: readonly TcpAoKey[]): StreamAuthentication => ({ kind: 'tcp-ao', keys })
    const first = key(1, 'the first secret')
    const second = key(2, 'the second one', 'aes-128-cmac-96')
    const listener = await listenAt(far, '10.9.0.2', [{ peer: IpAddress.parse('10.9.0.1'), authentication: ao(first) }])
    const here = await connectTo(near, '10.9.0.2', { authentication: ao(first) })
    const there = await accepted(listener)
    here.write(text('signed'))
    expect(await said(there)).toBe('signed')
    for (const wrong of [ao(key(1, 'another secret')), ao(key(3, 'the first secret'))]) {
      await expect(connectTo(near, '10.9.0.2', { authentication: wrong }, undefined, SILENCE)).rejects.toMatchObject({
        code: 'transport.aborted',
      })
    }
    await expect(connectTo(near, '10.9.0.2', undefined, undefined, SILENCE)).rejects.toMatchObject({ code: 'transport.aborted' })
    // RFC 5925 §7.5: both know both keys, then one begins with the second, and the first goes
    for (const connection of [there, here]) connection.rekey?.(ao(first, second))
    for (const connection of [here, there]) connection.rekey?.(ao(second))
    there.write(text('with the other key'))
    expect(await said(here)).toBe('with the other key')
    // a listener with another key takes who has that, and no longer who has the first
    listener.protect?.([{ peer: IpAddress.parse('10.9.0.1'), authentication: ao(second) }])
    await connectTo(near, '10.9.0.2', { authentication: ao(second) })
    await expect(connectTo(near, '10.9.0.2', { authentication: ao(first) }, undefined, SILENCE)).rejects.toMatchObject({
      code: 'transport.aborted',
    })
  })

  it.skipIf(noVrf !== '')(`speaks inside a VRF of the kernel, where the same address is another one${noVrf}`, async () => {
    const { near, far, names } = await pair()
    // the far link goes into the VRF; outside of it nothing leads to 10.9.0.1 any more
    for (const words of ['link add red type vrf table 10', 'link set red up', 'link set eth0 master red']) await ip(names.far, words)
    const outside = await listenAt(far, '0.0.0.0')
    await expect(connectTo(near, '10.9.0.2', undefined, undefined, SILENCE)).rejects.toThrow(TransportError)
    const inside = await far.listen({ address: IpAddress.parse('0.0.0.0'), port: 1790, zone: 'red' })
    open.push(inside)
    await connectTo(near, '10.9.0.2')
    const { remote } = await accepted(inside)
    expect([String(remote.address), remote.zone]).toEqual(['10.9.0.1', 'red'])
    await outside.close()
    const back = await listenAt(near, '10.9.0.1')
    await expect(connectTo(far, '10.9.0.1', undefined, undefined, SILENCE)).rejects.toThrow(TransportError)
    await connectTo(far, '10.9.0.1', undefined, 'red')
    expect(String((await accepted(back)).remote.address)).toBe('10.9.0.2')
  })

  it.skipIf(probe().features['tcp-ao'].available)('names the option that the kernel lacks, and leaves nothing behind', async () => {
    const { near, far } = await pair()
    const authentication = { kind: 'tcp-ao', keys: [{ sendId: 1, receiveId: 1, algorithm: 'hmac-sha-1-96', key: 'secret' }] } as const
    const lacking = expect.objectContaining({
      code: 'transport.unsupported',
      message: expect.stringContaining('TCP_AO_ADD_KEY'),
      cause: expect.any(UnsupportedError),
    })
    await expect(connectTo(near, '10.9.0.2', { authentication })).rejects.toEqual(lacking)
    const peer = IpAddress.parse('10.9.0.1')
    await expect(listenAt(far, '10.9.0.2', [{ peer, authentication }])).rejects.toEqual(lacking)
    const listener = await listenAt(far, '10.9.0.2')
    expect(() => listener.protect?.([{ peer, authentication }])).toThrow(lacking)
    await connectTo(near, '10.9.0.2')
    await accepted(listener)
  })
})
