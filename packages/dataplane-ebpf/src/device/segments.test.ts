import { IpAddress } from '@heddle/wire'
import type { Link } from '@heddle/linux'
import { describe, expect, it } from 'vitest'
import { largestSegment, segmentSetup } from './segments.js'

const link: Link = { index: 2, name: 'up0', kind: '', mtu: 1500, up: true, state: 'up' }
const [ipv4, ipv6] = ['192.0.2.1', '2001:db8::1'].map((address) => IpAddress.parse(address))

describe('segments of endpoints', () => {
  it.each([
    ['as large as the uplink says of IPv4', { gsoMaxSize: 65_536, gsoIpv4MaxSize: 196_608 }, [ipv4], 196_608],
    ['as large as it says of IPv6', { gsoMaxSize: 131_072, gsoIpv4MaxSize: 196_608 }, [ipv6], 131_072],
    ['what passes over an underlay of both families', { gsoMaxSize: 131_072, gsoIpv4MaxSize: 196_608 }, [ipv4, ipv6], 131_072],
    ['smaller, where a driver takes less', { gsoMaxSize: 32_768, gsoIpv4MaxSize: 32_768 }, [ipv4], 32_768],
    ['as ever before Linux 6.3, whatever it says of IPv6', { gsoMaxSize: 196_608 }, [ipv4], 65_536],
    ['smaller before Linux 6.3, where a driver takes less', { gsoMaxSize: 32_768 }, [ipv4, ipv6], 32_768],
    ['as ever, where the kernel says nothing', {}, [ipv4, ipv6], 65_536],
  ])('are %s', (_, sizes, addresses, expected) => {
    expect(largestSegment({ ...link, ...sizes }, addresses)).toBe(expected)
  })

  it('are no longer than headers can say, of IPv6', () => {
    expect(segmentSetup(196_608)).toEqual({ gsoMaxSize: 65_536, gsoIpv4MaxSize: 196_608 })
    expect(segmentSetup(32_768)).toEqual({ gsoMaxSize: 32_768, gsoIpv4MaxSize: 32_768 })
  })
})
