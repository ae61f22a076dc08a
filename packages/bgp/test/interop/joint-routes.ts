import { IpAddress } from '@heddle/wire'
import { jointLabelsCommunity, readsJointLabels, type LocalRoute, type Speaker } from '../../src/index.js'
import { vpn } from '../speaker/lab.js'

/** VPN routes that tell of their next hops that these read joint labels, of a family each. */
export const JOINT_ROUTES: readonly LocalRoute[] = (
  [
    ['10.7.0.1/32', '192.0.2.41'],
    ['2001:db8:7::1/128', '2001:db8::41'],
  ] as const
).map(([prefix, nextHop]) => {
  const { attributes, ...route } = vpn(prefix, { nextHop })
  const told = jointLabelsCommunity(IpAddress.parse(nextHop))
  return { ...route, attributes: { extendedCommunities: [...(attributes?.extendedCommunities ?? []), told] } }
})

/** Next hops of VPN routes that a speaker has from a neighbor, of which it holds that they read joint labels; sorted. */
export function jointHops(speaker: Speaker, neighbor: string): string[] {
  return (['vpnv4-unicast', 'vpnv6-unicast'] as const)
    .flatMap((family) => [...speaker.routes({ family, neighbor })])
    .flatMap(({ set: { attributes, nextHop } }) =>
      nextHop !== undefined && readsJointLabels(attributes.extendedCommunities, nextHop.address) ? [String(nextHop.address)] : [],
    )
    .sort()
}
