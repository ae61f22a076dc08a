import { nodeClock, nodeRandom } from '@heddle/io/node'
import { linuxTcpTransport, nativeAvailability, probe } from '@heddle/linux'
import { afterEach, describe, expect, it } from 'vitest'
import { Speaker, type NeighborConfig, type SpeakerConfig } from '../../src/index.js'
import { eventually } from '../interop/daemon.js'
import { Lab, internal, isUp, neighbor } from './lab.js'

const availability = nativeAvailability()
const { features } = probe()
const lackOf = (name: 'tcp-md5' | 'tcp-ao'): string => {
  const feature = features[name]
  return availability.available ? (feature.available ? '' : ` (not run: ${feature.reason})`) : ` (not run: ${availability.reason})`
}
const [A, B, C] = ['127.0.58.1', '127.0.58.2', '127.0.58.3'] as const
const PORT = 11_858

const speakers: Speaker[] = []
afterEach(async () => {
  await Promise.all(speakers.splice(0).map((speaker) => speaker.stop()))
})

function speak(address: string, config: Partial<SpeakerConfig> & { neighbors: NeighborConfig[] }): Speaker {
  const speaker = new Speaker({
    clock: nodeClock,
    random: nodeRandom,
    transport: linuxTcpTransport(),
    config: { as: 65000, routerId: address, ...config },
  })
  speakers.push(speaker)
  return speaker
}

describe('a speaker on the TCP of Linux', () => {
  const authentication = { kind: 'tcp-md5', key: 'secret' } as const
  const near = { ttlSecurity: 1, families: ['vpnv4-unicast'] } as const

  it.skipIf(lackOf('tcp-md5') !== '')(
    `takes whom it does not know by name, from a prefix with a key and within one hop${lackOf('tcp-md5')}`,
    async () => {
      const dynamicNeighbors = [{ prefix: '127.0.58.0/24', as: 65000, authentication, ...near }]
      const a = speak(A, { listen: [{ address: A, port: PORT }], neighbors: [], dynamicNeighbors })
      const to = (localAddress: string, more: Partial<NeighborConfig>): NeighborConfig =>
        internal(A, { port: PORT, localAddress, connectRetry: 1, ...near, ...more })
      const b = speak(B, { neighbors: [to(B, { authentication })] })
      const c = speak(C, { neighbors: [to(C, {})] })
      await Promise.all([a, b, c].map((speaker) => speaker.start()))
      await eventually('the session', () => isUp(b, A) || undefined)
      const reason = await eventually('the reason of the other', () => neighbor(c, A).lastError)
      expect(reason).toBe(`no answer from ${A} port ${PORT} within 1 s; it may be further away than one hop`)
      expect(a.neighbors().map(({ address }) => address)).toEqual([B])
      // what is up stays up when the keys of the listener change with the neighbors
      c.removeNeighbor(A)
      c.addNeighbor(to(C, { authentication }))
      await eventually('the other one', () => isUp(c, A) || undefined)
      expect(neighbor(b, A).established).toBe(1)
      await eventually('both are known', () => a.neighbors().length === 2 || undefined)
    },
  )

  it.skipIf(!availability.available || features['tcp-ao'].available)(
    'says which option the kernel lacks, and changes nothing',
    async () => {
      const keys = [{ sendId: 1, receiveId: 1, algorithm: 'hmac-sha-1-96', key: 'secret' }] as const
      const ao = internal(B, { authentication: { kind: 'tcp-ao', keys } })
      const a = speak(A, { listen: [{ address: A, port: PORT }], neighbors: [] })
      await a.start()
      const lacking = expect.objectContaining({ code: 'transport.unsupported', message: expect.stringContaining('TCP_AO_ADD_KEY') })
      expect(() => a.addNeighbor(ao)).toThrow(lacking)
      expect(a.neighbors()).toEqual([])
      a.addNeighbor(internal(B))
      expect(() => a.updateNeighbor(ao)).toThrow(lacking)
      expect(neighbor(a, B).config).toEqual(internal(B))
      const b = speak(B, { listen: [{ address: B, port: PORT }], neighbors: [{ ...ao, address: A }] })
      await expect(b.start()).rejects.toMatchObject({ code: 'speaker.listen', cause: { code: 'transport.unsupported' } })
      expect(b.listening).toEqual([])
    },
  )
})

describe('addresses with a device', () => {
  const lab = new Lab()
  it('are names of their own', () => {
    const speaker = lab.speaker(A, {
      neighbors: [internal('FE80::1%eth0'), internal('fe80::1%eth1'), internal('10.0.0.1%red'), internal('10.0.0.1')],
    })
    expect(speaker.neighbors().map(({ address }) => address)).toEqual(['fe80::1%eth0', 'fe80::1%eth1', '10.0.0.1%red', '10.0.0.1'])
    expect(neighbor(speaker, 'fe80::1%eth1').address).toBe('fe80::1%eth1')
    expect(() => speaker.addNeighbor(internal('fe80:0::1%eth1'))).toThrow(expect.objectContaining({ code: 'speaker.neighbor-exists' }))
  })
  it.each([
    ['fe80::1', /fe80::1%DEVICE/],
    ['10.0.0.1%', /not an IP address/],
    ['10.0.0.1%a%b', /not an IP address/],
  ])('%s is refused', (address, message) => {
    expect(() => lab.speaker(B, { neighbors: [internal(address)] })).toThrow(message)
  })
})
