import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  DATAGRAM_DESCRIPTOR,
  Netlink,
  Poller,
  READINESS,
  TUN_DESCRIPTOR,
  TunDevice,
  UdpBatchSocket,
  duplicateDescriptor,
  writeAddressWords,
  type NetworkNamespace,
} from '../src/index.js'
import { IpAddress } from '@heddle/wire'
import { because, eventually, missing, namespaces } from './support.js'

const run = promisify(execFile)
const { words, offset, length, headers, size, stride, status } = TUN_DESCRIPTOR
const ROOM = 4 * 65_535

/** Carries packets between two devices until stopped, as a wire would. */
function wire(a: TunDevice, b: TunDevice, headroom = 64): { stop(): void; packets(): number; largest(): number; longestTrain(): number } {
  const poller = Poller.open()
  let [packets, largest, longestTrain] = [0, 0, 0]
  const direction = (from: TunDevice, to: TunDevice): void => {
    const buffer = new Uint8Array(ROOM)
    const descriptors = new Uint32Array(64 * words)
    const watch = poller.watch(from.fd, READINESS.readable, () => {
      for (let rounds = 0; rounds < 16; rounds++) {
        const count = from.readBatch(buffer, headroom, descriptors)
        if (count === 0) break
        packets += count
        for (let n = 0; n < count; n++) {
          const at = n * words
          const isTrain = descriptors[at + headers] > 0
          largest = Math.max(largest, isTrain ? descriptors[at + headers] + descriptors[at + size] : descriptors[at + length])
          if (isTrain) longestTrain = Math.max(longestTrain, descriptors[at + length])
        }
        to.writeBatch(buffer, descriptors, count)
      }
      watch.rearm()
    })
  }
  direction(a, b)
  direction(b, a)
  return { stop: () => poller.close(), packets: () => packets, largest: () => largest, longestTrain: () => longestTrain }
}

async function macOf(namespace: NetworkNamespace, name: string): Promise<string> {
  using netlink = await Netlink.open(namespace)
  return (await netlink.links.get(name)).mac ?? ''
}

describe.skipIf(missing !== '')(`TUN devices${because}`, () => {
  const made = namespaces()

  async function pair(
    offload: boolean,
    ethernet = false,
  ): Promise<{ a: NetworkNamespace; b: NetworkNamespace; left: TunDevice; right: TunDevice }> {
    const [a, b] = [await made.create(), await made.create()]
    const common = { name: 'tun0', mtu: 1400, offload, ethernet }
    const left = await TunDevice.open({ ...common, namespace: a, addresses: ['10.9.0.1/24', '2001:db8:9::1/64'] })
    const right = await TunDevice.open({ ...common, namespace: b, addresses: ['10.9.0.2/24', '2001:db8:9::2/64'] })
    return { a, b, left, right }
  }

  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('carry ping between two namespaces, IPv4 and IPv6 (offload %s, Ethernet %s)', async (offload, ethernet) => {
    const { a, left, right } = await pair(offload, ethernet)
    expect(left.ethernet).toBe(ethernet)
    const cable = wire(left, right)
    for (const address of ['10.9.0.2', '2001:db8:9::2']) {
      // One by one: of several, ping waits for the last only as long as the one before it took.
      for (let count = 0; count < 3; count++) {
        const { stdout } = await run('nsenter', [`--net=${a.path}`, 'ping', '-n', '-c', '1', '-W', '20', address])
        expect(stdout).toContain('1 received')
      }
    }
    // On Ethernet they ask for each other first, and may make sure later.
    if (ethernet) expect(cable.packets()).toBeGreaterThanOrEqual(16)
    else expect(cable.packets()).toBe(12)
    cable.stop()
    left.close()
    right.close()
  })

  it.each([false, true])('hand large segments over whole, and take them whole (TCP, Ethernet %s)', async (ethernet) => {
    const { a, b, left, right } = await pair(true, ethernet)
    const cable = wire(left, right)
    const octets = 3_000_000
    const script = (body: string): string[] => [
      '-e',
      `const net = require('node:net'); const { createHash } = require('node:crypto'); ${body}`,
    ]
    for (const [address, any] of [
      ['10.9.0.2', '0.0.0.0'],
      ['2001:db8:9::2', '::'],
    ]) {
      const server = run('nsenter', [
        `--net=${b.path}`,
        process.execPath,
        ...script(
          `net.createServer(s => { const h = createHash('sha256'); let n = 0; s.on('data', d => { h.update(d); n += d.length }); s.on('end', () => { console.log(n, h.digest('hex')); process.exit() }) }).listen(5001, '${any}')`,
        ),
      ])
      const client = async (): Promise<string | undefined> => {
        const body = `const b = Buffer.alloc(${octets}, 'heddle'); const s = net.connect(5001, '${address}', () => s.end(b)); s.on('close', e => e || console.log(b.length, createHash('sha256').update(b).digest('hex'))); s.on('error', () => process.exit(1))`
        return run('nsenter', [`--net=${a.path}`, process.execPath, ...script(body)]).then(
          ({ stdout }) => stdout,
          () => undefined,
        )
      }
      const sent = await eventually('a connection', client)
      expect((await server).stdout).toBe(sent)
    }
    const link = ethernet ? 14 : 0
    // A train's headers are those behind the link's.
    expect([1400, 1400 + link]).toContain(cable.largest())
    expect(cable.longestTrain()).toBeGreaterThan(1400 + link)
    expect(left.dropped + right.dropped).toBe(0)
    cable.stop()
    left.close()
    right.close()
  })

  it.each([
    [true, false],
    [false, false],
    [true, true],
    [false, true],
  ])('write a train that is taken apart by whoever has to (offload %s, Ethernet %s)', async (offload, ethernet) => {
    const { a, b, left, right } = await pair(offload, ethernet)
    const source = offload
      ? left
      : await TunDevice.open({ name: 'tun1', namespace: a, offload: true, ethernet, addresses: ['10.9.1.1/24'] })
    const [address, target] = offload ? ['10.9.0.1', '10.9.0.2'] : ['10.9.1.1', '10.9.1.2']
    const sender = await UdpBatchSocket.open({ namespace: a, bind: { address, port: 5000 } })
    const receiver = await UdpBatchSocket.open({ namespace: b, bind: { address: '0.0.0.0', port: 5001 } })
    if (!offload) await run('ip', ['-n', b.name, 'address', 'add', `${target}/24`, 'dev', 'tun0'])
    // Nobody answers who is asked for: the end that is written to is known.
    const link = ethernet ? 14 : 0
    if (ethernet) {
      const mac = await macOf(b, 'tun0')
      await run('ip', ['-n', a.name, 'neighbour', 'replace', target, 'lladdr', mac, 'nud', 'permanent', 'dev', source.name])
    }
    const payload = new Uint8Array(25 * 1000 + 7).map((_, k) => k * 31)
    const message = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    message[DATAGRAM_DESCRIPTOR.length] = payload.length
    message[DATAGRAM_DESCRIPTOR.segment] = 1000
    message[DATAGRAM_DESCRIPTOR.port] = 5001
    writeAddressWords(message, DATAGRAM_DESCRIPTOR.remote, IpAddress.parse(target))
    expect(sender.sendBatch(payload, message, 1)).toBe(1)
    expect(message[DATAGRAM_DESCRIPTOR.status]).toBe(0)

    const buffer = new Uint8Array(ROOM)
    const descriptors = new Uint32Array(8 * words)
    // On Ethernet it is not alone: the kernel joins groups.
    await eventually(
      'a train',
      () => (source.readBatch(buffer, 100, descriptors.subarray(0, words)) === 1 && descriptors[headers] > 0) || undefined,
    )
    const at = [offset, length, headers, size, stride].map((word) => descriptors[word])
    expect(at).toEqual([100, link + 28 + payload.length, 28, 1000, 1000])
    expect(right.writeBatch(buffer, descriptors, 1)).toBe(1)
    expect(descriptors[status]).toBe(0)
    const [slots, messages] = [new Uint8Array(64 * 2048), new Uint32Array(64 * DATAGRAM_DESCRIPTOR.words)]
    const received: number[][] = []
    await eventually('26 datagrams', () => {
      const count = receiver.receiveBatch(slots, 2048, 0, messages)
      for (let n = 0; n < count; n++) {
        const from = messages[n * DATAGRAM_DESCRIPTOR.words]
        received.push([...slots.subarray(from, from + messages[n * DATAGRAM_DESCRIPTOR.words + DATAGRAM_DESCRIPTOR.length])])
      }
      return received.length === 26 ? true : undefined
    })
    expect(received.flat()).toEqual([...payload])
    for (const one of [sender, receiver, left, right, source]) one.close()
  })

  it('are of one kind, TUN or TAP', async () => {
    const namespace = await made.create()
    const tap = await TunDevice.open({ name: 'tap0', namespace, ethernet: true, offload: true, persist: true })
    expect(await macOf(namespace, 'tap0')).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
    tap.close()
    await expect(TunDevice.open({ name: 'tap0', namespace, mode: 'attach', offload: true })).rejects.toMatchObject({ code: 'EINVAL' })
    const again = await TunDevice.open({ name: 'tap0', namespace, mode: 'attach', ethernet: true, offload: true })
    const adopted = TunDevice.fromFd(duplicateDescriptor(again.fd), { namespace, offload: true })
    expect(adopted.ethernet).toBe(true)
    const [buffer, descriptors] = [new Uint8Array(100), new Uint32Array(words)]
    // No more than a header.
    descriptors[length] = 14
    expect(() => adopted.writeBatch(buffer, descriptors, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    for (const one of [again, adopted]) one.close()
  })

  it('say what is wrong', async () => {
    const namespace = await made.create()
    const tun = await TunDevice.open({ name: 'tun0', namespace })
    await expect(TunDevice.open({ name: 'tun0', namespace })).rejects.toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining("'tun0'"),
    })
    await expect(TunDevice.open({ name: 'tun0', namespace, mode: 'either' })).rejects.toMatchObject({ code: 'EBUSY' })
    await expect(TunDevice.open({ name: 'tun1', namespace, mode: 'attach' })).rejects.toMatchObject({ code: 'ENODEV' })
    await expect(TunDevice.open({ name: 'a-name-that-is-too-long', namespace })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(TunDevice.open({ name: 'tun2', namespace, addresses: ['10.0.0.300/8'] })).rejects.toMatchObject({ code: 'EINVAL' })
    const netlink = await Netlink.open(namespace)
    expect((await netlink.links.list()).map(({ name }) => name).sort()).toEqual(['lo', 'tun0'])
    netlink.close()
    const [buffer, descriptors] = [new Uint8Array(100), new Uint32Array(words)]
    expect(() => tun.readBatch(buffer, 0, descriptors)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => tun.readBatch(new Uint8Array(ROOM), 0, new Uint32Array(words - 1))).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    descriptors[offset] = 90
    descriptors[length] = 20
    expect(() => tun.writeBatch(buffer, descriptors, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    descriptors[offset] = 0
    expect(tun.writeBatch(buffer, descriptors, 1)).toBe(1)
    expect(descriptors[status]).toBe(22)
    descriptors[headers] = 10
    descriptors[size] = descriptors[stride] = 5
    expect(() => tun.writeBatch(buffer, descriptors, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    const shared = new ArrayBuffer(ROOM + 4)
    expect(() => tun.readBatch(new Uint8Array(shared), 0, new Uint32Array(shared))).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    tun.close()
    tun.close()
    expect(() => tun.readBatch(buffer, 0, descriptors)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  it.each([false, true])('read one behind the other, and tell when the link is down or gone (offload %s)', async (offload) => {
    const namespace = await made.create()
    const netlink = await Netlink.open(namespace)
    const tun = await TunDevice.open({ name: 'tun0', namespace, offload, addresses: ['10.8.0.1/24'] })
    const sender = await UdpBatchSocket.open({ namespace, bind: { address: '10.8.0.1', port: 0 } })
    const message = new Uint32Array(2 * DATAGRAM_DESCRIPTOR.words)
    for (let n = 0; n < 2; n++) {
      message[n * DATAGRAM_DESCRIPTOR.words + DATAGRAM_DESCRIPTOR.length] = n === 0 ? 1000 : 10
      message[n * DATAGRAM_DESCRIPTOR.words + DATAGRAM_DESCRIPTOR.port] = 9
      writeAddressWords(message, n * DATAGRAM_DESCRIPTOR.words + DATAGRAM_DESCRIPTOR.remote, IpAddress.parse('10.8.0.2'))
    }
    const buffer = new Uint8Array(ROOM)
    const descriptors = new Uint32Array(4 * words)
    expect(sender.sendBatch(buffer, message, 2)).toBe(2)
    expect(tun.readBatch(buffer, 100, descriptors)).toBe(2)
    expect([...descriptors.subarray(0, 4)]).toEqual([100, 1028, 0, 0])
    const second = descriptors[words]
    expect(second).toBeGreaterThanOrEqual(100 + 1028 + 100)
    expect([...descriptors.subarray(words, words + 4)]).toEqual([second, 38, 0, 0])
    expect(tun.dropped).toBe(0)

    await netlink.links.change('tun0', { up: false })
    expect(tun.readBatch(buffer, 100, descriptors)).toBe(0)
    expect(tun.writeBatch(buffer, descriptors, 1)).toBe(1)
    expect(descriptors[status]).toBe(5)
    await netlink.links.delete('tun0')
    expect(() => tun.readBatch(buffer, 100, descriptors)).toThrow(expect.objectContaining({ code: 'EBADFD' }))
    expect(tun.writeBatch(buffer, descriptors, 1)).toBe(1)
    expect(descriptors[status]).toBe(77)
    for (const one of [tun, sender, netlink]) one.close()
  })

  it('persist and are attached again', async () => {
    const namespace = await made.create()
    const netlink = await Netlink.open(namespace)
    const first = await TunDevice.open({ name: 'keep0', namespace, persist: true, offload: true, addresses: ['10.8.0.1/24'] })
    const { index } = first
    first.close()
    expect((await netlink.links.get('keep0')).index).toBe(index)
    const second = await TunDevice.open({ name: 'keep0', namespace, mode: 'attach', offload: false, addresses: ['10.8.0.1/24'] })
    expect(second.index).toBe(index)
    second.setPersist(false)
    second.close()
    await expect(netlink.links.get('keep0')).rejects.toMatchObject({ code: 'ENODEV' })
    netlink.close()
  })

  it('have several queues', async () => {
    const namespace = await made.create()
    const queues = [
      await TunDevice.open({ name: 'mq0', namespace, multiQueue: true, addresses: ['10.8.0.1/24'] }),
      await TunDevice.open({ name: 'mq0', namespace, multiQueue: true, mode: 'attach' }),
    ]
    expect(new Set(queues.map(({ index }) => index)).size).toBe(1)
    expect(new Set(queues.map(({ fd }) => fd)).size).toBe(2)
    for (const queue of queues) queue.close()
  })
})
