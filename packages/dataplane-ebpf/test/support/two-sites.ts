import type { Dataplane, Encapsulation } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { execFileSync } from 'node:child_process'
import { Namespaces, type Sent } from '../../../dataplane-tun/test/support/namespaces.js'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../../dataplane-tun/test/support/two-sites.js'
import { machineDevices } from './machine-devices.js'

/** What an uplink is: the end of a veth pair, a VLAN on it, one that is enslaved to a VRF device, or a device of the machine, of which there are two. */
export type UplinkKind = 'veth' | 'vlan' | 'vrf' | 'device'

/** Commands that make `up0` of `wire0`, the end of the veth pair, or the device. */
export const UPLINKS: Readonly<Record<UplinkKind, readonly string[]>> = {
  veth: ['ip link set wire0 name up0'],
  device: ['ip link set wire0 name up0'],
  vlan: ['ip link set wire0 up', 'ip link add link wire0 name up0 type vlan id 7'],
  vrf: ['ip link set wire0 name up0', 'ip link add under0 type vrf table 7', 'ip link set under0 up', 'ip link set up0 master under0'],
}

/*
 *   pod ══ veth ══ [router a] up0 ══ veth ══ up0 [router b] ══ veth ══ pod
 *
 * Sites are namespaces; each pod has one of its own. VRF red is 0, blue is 1; both have the same addresses.
 */
export class TwoEbpfSites extends Namespaces {
  /** @param tag unlike that of any other test file: those run at the same time */
  constructor(
    readonly tag: string,
    private readonly uplink: UplinkKind = 'veth',
  ) {
    super()
    try {
      for (const site of ['a', 'b'] as const) for (const kind of ['site', 'red', 'blue']) this.add(this.short(kind, site))
      const [near, far] = (['a', 'b'] as const).map((site) => this.name(this.short('site', site)))
      if (uplink === 'device') {
        const devices = machineDevices()
        for (const [index, netns] of [near, far].entries()) {
          execFileSync('ip', `link set ${devices[index].name} name wire0 netns ${netns}`.split(' '))
        }
      } else this.in(this.short('site', 'a'), ...`ip link add wire0 type veth peer name wire0 netns ${far}`.split(' '))
      for (const site of ['a', 'b'] as const) {
        const name = this.short('site', site)
        for (const command of [...UPLINKS[uplink], 'ip link set up0 up']) this.in(name, ...command.split(' '))
        this.in(name, ...`ip address add ${UNDERLAY[site][0]}/24 dev up0`.split(' '))
        this.in(name, ...`ip address add ${UNDERLAY[site][1]}/64 dev up0 nodad`.split(' '))
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  short(kind: string, site: Site): string {
    return `${this.tag}-${kind}-${site}`
  }

  /** Has frames come as a network would have cut them: nothing hands on what is larger. */
  cutFrames(): void {
    // Frames of a VLAN are joined, or not, by the link below it.
    const links = this.uplink === 'vlan' ? ['up0', 'wire0'] : ['up0']
    for (const site of ['a', 'b'] as const)
      for (const link of links) this.in(this.short('site', site), ...`ethtool -K ${link} tso off gso off gro on`.split(' '))
  }

  /** Programs a site and gives its pods their devices. */
  async setUp(dataplane: Dataplane, site: Site, generation: number, family: 4 | 6, encapsulation: Encapsulation): Promise<void> {
    const report = await dataplane.apply(siteTransaction(site, generation, family, encapsulation))
    if (report.failures.length > 0) throw new TypeError(JSON.stringify(report.failures))
    const addresses = POD[site].map((address) => IpAddress.parse(address))
    for (const [port, kind] of ['red', 'blue'].entries()) {
      await dataplane.attachPort(port, { netns: this.path(this.short(kind, site)), ifname: 'eth0', addresses, mtu: 1400 })
    }
  }

  /** Octets and packets that the uplink of a site sent. */
  sent(site: Site): Sent {
    return this.sentBy(this.short('site', site), 'up0')
  }
}
