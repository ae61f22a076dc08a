import { mkdtempSync, openSync, closeSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  closeDescriptor,
  DATAGRAM_DESCRIPTOR,
  Netlink,
  offerDescriptors,
  takeDescriptors,
  TunDevice,
  UdpBatchSocket,
} from '../src/index.js'
import { availability, because, eventually, isolated, localUdp, loopback, missing, namespaces, noLoopback, unbuilt } from './support.js'

describe.skipIf(!availability.available)(`the hand-over of descriptors${unbuilt}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('gives descriptors and octets to whoever takes them', async () => {
    const path = join(folder, 'socket')
    const file = join(folder, 'file')
    writeFileSync(file, 'hello')
    const fd = openSync(file, 'r')
    const bytes = new Uint8Array(65_536).map((_, k) => k)
    const offered = offerDescriptors(path, { fds: [fd, fd], bytes })
    const taken = await eventually('the offer', () => takeDescriptors(path).catch(() => undefined))
    await offered
    closeSync(fd)
    expect(taken.fds).toHaveLength(2)
    expect(Buffer.compare(taken.bytes, bytes)).toBe(0)
    for (const one of taken.fds) {
      expect(readFileSync(`/proc/self/fd/${one}`, 'utf8')).toBe('hello')
      closeDescriptor(one)
      expect(targetOf(one)).not.toBe(file)
    }
  })

  /** Where a descriptor leads to; another thread may have opened it again meanwhile. */
  function targetOf(fd: number): string {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  }

  it('says what is wrong', async () => {
    await expect(takeDescriptors(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(offerDescriptors(join(folder, 'late'), { fds: [], bytes: new Uint8Array(1) }, { timeout: 10 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
    await expect(offerDescriptors(join(folder, 'empty'), { fds: [], bytes: new Uint8Array() })).rejects.toMatchObject({ code: 'EINVAL' })
    expect(() => closeDescriptor(1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })
})

describe.skipIf(missing !== '')(`the hand-over of a TUN device${because}`, () => {
  const made = namespaces()

  it('leaves the device with its taker', async () => {
    const namespace = await made.create()
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const first = await TunDevice.open({ name: 'hand0', namespace, offload: true, addresses: ['10.8.0.1/24'] })
    const { index } = first
    const offered = offerDescriptors(join(folder, 's'), { fds: [first.fd], bytes: new Uint8Array(1) })
    const { fds } = await eventually('the offer', () => takeDescriptors(join(folder, 's')).catch(() => undefined))
    await offered
    first.close()
    const second = TunDevice.fromFd(fds[0], { namespace, offload: true })
    expect(second).toMatchObject({ name: 'hand0', index })
    const netlink = await Netlink.open(namespace)
    expect((await netlink.links.get('hand0')).state).not.toBe('down')
    second.close()
    await expect(netlink.links.get('hand0')).rejects.toMatchObject({ code: 'ENODEV' })
    netlink.close()
    rmSync(folder, { recursive: true })
  })

  it.skipIf(loopback !== '')(`leaves a UDP socket with what waits in its queue${noLoopback}`, async () => {
    const options = { zeroChecksumTx: true, tos: 8, receiveTos: true }
    const [first, sender] = [await localUdp(options), await localUdp({ tos: 4 })]
    const descriptors = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    descriptors[DATAGRAM_DESCRIPTOR.length] = 3
    descriptors[DATAGRAM_DESCRIPTOR.tos] = 4
    descriptors[DATAGRAM_DESCRIPTOR.remote] = 0x7f000001
    descriptors[DATAGRAM_DESCRIPTOR.port] = first.local.port
    expect(sender.sendBatch(new Uint8Array(3), descriptors, 1)).toBe(1)
    const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
    const offered = offerDescriptors(join(folder, 's'), { fds: [first.fd], bytes: new Uint8Array(1) })
    const { fds } = await eventually('the offer', () => takeDescriptors(join(folder, 's')).catch(() => undefined))
    await offered
    first.close()
    const second = UdpBatchSocket.fromFd(fds[0], { gso: true })
    expect(second).toMatchObject({ local: first.local, family: 4 })
    expect(await eventually('a datagram', () => second.receiveBatch(new Uint8Array(100), 100, 0, descriptors) || undefined)).toBe(1)
    expect(descriptors[DATAGRAM_DESCRIPTOR.tos]).toBe(4)
    descriptors[DATAGRAM_DESCRIPTOR.segment] = 1
    expect(() => second.sendBatch(new Uint8Array(3), descriptors, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    second.close()
    sender.close()
    rmSync(folder, { recursive: true })
  })

  it('refuses descriptors of anything else, and closes them', async () => {
    const namespace = await made.create()
    await isolated(`
      import { mkdtempSync, rmSync } from 'node:fs'
      import { tmpdir } from 'node:os'
      const folder = mkdtempSync(tmpdir() + '/hdl-test-')
      const socket = await linux.UdpBatchSocket.open({ bind: { address: '0.0.0.0', port: 0 } })
      const tun = await linux.TunDevice.open({ name: 'hand1', namespace: ${JSON.stringify(namespace.path)} })
      const [before] = await count()
      const offered = linux.offerDescriptors(folder + '/s', { fds: [socket.fd, tun.fd, tun.fd], bytes: new Uint8Array(1) })
      let taken
      while (taken === undefined) taken = await linux.takeDescriptors(folder + '/s').catch(() => sleep(1))
      await offered
      rmSync(folder, { recursive: true })
      const [first, second, third] = taken.fds
      assert.equal((await count())[0], before + 3)
      assert.throws(() => linux.TunDevice.fromFd(first), { code: 'ENOTTY' })
      assert.throws(() => linux.TunDevice.fromFd(second, { offload: true }), { code: 'EINVAL' })
      assert.throws(() => linux.UdpBatchSocket.fromFd(third), { code: 'ENOTSOCK' })
      assert.throws(() => linux.UdpBatchSocket.fromFd(-1), { code: 'EINVAL' })
      assert.throws(() => linux.TunDevice.fromFd(-1), { code: 'EINVAL' })
      assert.equal((await count())[0], before)
      socket.close()
      tun.close()`)
  })
})
