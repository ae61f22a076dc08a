import type { ServiceBackend, ServiceObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'

/** Addresses that packets are sent to and never come from, so that no flow can be taken for another's reply. */
export const VIRTUAL_ADDRESSES = ['10.0.0.9', 'fd00::9']
/** The port of every service. */
export const SERVICE_PORT = 53

/** Addresses of backends. */
export const BACKENDS = { 4: ['10.0.0.1', '10.0.0.2', '10.1.0.1'], 6: ['fd00::1', 'fd00::2', 'fd00:0:0:1::1'] } as const
/** Of the backends, by protocol: ports that packets of `arbitraryPacket` come from. */
export const BACKEND_PORTS = { udp: 9, tcp: 40_000 } as const

/** Draws services in some of `vrfs`. */
export function arbitraryServices(vrfs: readonly number[]): fc.Arbitrary<readonly ServiceObject[]> {
  const places = vrfs.flatMap((vrf) =>
    VIRTUAL_ADDRESSES.flatMap((address) =>
      (['udp', 'tcp'] as const).map((protocol) => ({ vrf, protocol, address: IpAddress.parse(address) })),
    ),
  )
  return fc
    .subarray(places)
    .chain((chosen) =>
      fc.tuple(
        ...chosen.map((place, id) =>
          arbitraryRest(place.address.family, BACKEND_PORTS[place.protocol]).map((rest) => ({ id, ...place, port: SERVICE_PORT, ...rest })),
        ),
      ),
    )
}

function arbitraryRest(family: 4 | 6, port: number): fc.Arbitrary<Pick<ServiceObject, 'backends' | 'affinity' | 'seed'>> {
  const backends = fc.subarray([...BACKENDS[family]]).chain((addresses) =>
    fc.tuple(
      ...addresses.map((address) =>
        fc
          .record({
            weight: fc.constantFrom(0, 1, 1, 3),
            state: fc.constantFrom('ready' as const, 'ready' as const, 'draining' as const),
          })
          .map((rest): ServiceBackend => ({ address: IpAddress.parse(address), port, ...rest })),
      ),
    ),
  )
  return fc.record({ backends, seed: fc.nat(0xffffffff), affinity: fc.constant(3_600_000) }, { requiredKeys: ['backends', 'seed'] })
}
