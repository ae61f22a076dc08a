import { EndpointError, type EndpointRequest, type EndpointService, type EndpointView } from '@heddle/core'
import { MacAddress } from '@heddle/wire'

/** Endpoints that are only remembered: what an agent does, as far as a plugin sees it. */
export class FakeEndpoints implements EndpointService {
  readonly all = new Map<string, EndpointView>()
  readonly vrfs = new Set(['red', 'blue'])
  hasEthernet = true
  /** Called before an endpoint is added or removed; may throw. */
  before: (what: 'add' | 'remove') => Promise<void> = async () => undefined

  async add(request: EndpointRequest, signal?: AbortSignal): Promise<EndpointView> {
    await this.before('add')
    signal?.throwIfAborted()
    const { vrf, netns, ifname, addresses, link } = request
    if (link === 'ethernet' && !this.hasEthernet) throw new EndpointError('endpoint.unsupported', 'the dataplane does not offer ethernet')
    if (!this.vrfs.has(vrf)) throw new EndpointError('endpoint.vrf-unknown', `there is no vrf ${vrf}`)
    if (netns.startsWith('/gone')) throw new EndpointError('endpoint.netns-missing', `there is no namespace ${netns}`)
    const key = `${netns} ${ifname}`
    const known = this.all.get(key)
    if (known !== undefined && String(known.addresses) !== String(addresses))
      throw new EndpointError('endpoint.conflict', `${key} is there`)
    const taken = [...this.all].find(
      ([other, view]) => other !== key && view.vrf === vrf && view.addresses.some((one) => addresses.some((two) => two.equals(one))),
    )
    if (taken !== undefined) throw new EndpointError('endpoint.address-in-use', `${taken[0]} has an address of ${key}`)
    const mac = link === 'ethernet' ? { mac: MacAddress.ofEndpoint(addresses[0]) } : {}
    const view: EndpointView = { ...request, label: 16, mtu: 1446, state: 'attached', ...mac }
    this.all.set(key, view)
    return view
  }

  async remove({ netns, ifname }: Pick<EndpointRequest, 'netns' | 'ifname'>): Promise<void> {
    await this.before('remove')
    this.all.delete(`${netns} ${ifname}`)
  }

  find(what: Parameters<EndpointService['find']>[0]): EndpointView | undefined {
    if ('netns' in what) return this.all.get(`${what.netns} ${what.ifname}`)
    return this.list().find(({ vrf, addresses }) => vrf === what.vrf && addresses.some((one) => one.equals(what.address)))
  }

  list(): readonly EndpointView[] {
    return [...this.all.values()]
  }
}
