import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { ConfigError } from './config-error.js'
import { loadNode, parseNode, parseSpeaker } from './load.js'
import { resolveNode } from './resolve.js'

const GOOD = `node: { name: cloud-a, address: 10.255.1.2 }
bgp:
  as: 65000
  neighbors:
    - { address: 10.255.4.2, as: 65000 }
vrfs:
  - name: red
    rd: 10.255.1.2:1
    import: [65000:1]
    export: [65000:1]
endpoints:
  - { vrf: red, netns: /run/netns/red-a, ifname: eth0, addresses: [10.1.0.1, fd00:1::1] }
dataplane: { kind: memory }
`

interface Row {
  readonly name: string
  /** What is replaced in the good file, and by what. */
  readonly change: readonly [string, string]
  readonly line: number
  readonly path: string
  readonly found: string
  readonly allowed: string
}

const rows: Row[] = [
  {
    name: 'an unknown key',
    change: ['    - { address: 10.255.4.2, as: 65000 }', '    - { address: 10.255.4.2, as: 65000, familes: [rtc] }'],
    line: 5,
    path: 'bgp.neighbors[0].familes',
    found: 'the unknown key "familes"',
    allowed: 'did you mean "families"?',
  },
  {
    name: 'a missing key',
    change: ['  as: 65000\n', '  holdTime: 9\n'],
    line: 3,
    path: 'bgp.as',
    found: 'nothing',
    allowed: 'the key "as" is required',
  },
  {
    name: 'a wrong type',
    change: ['  as: 65000\n', '  as: many\n'],
    line: 3,
    path: 'bgp.as',
    found: '"many"',
    allowed: 'an integer of 1–4294967295',
  },
  {
    name: 'a number that is none',
    change: ['  as: 65000\n', '  as: .nan\n'],
    line: 3,
    path: 'bgp.as',
    found: 'NaN',
    allowed: 'a finite number',
  },
  {
    name: 'a name that is none',
    change: ['  as: 65000\n', '  as: 65000\n  groups:\n    a b: {}\n'],
    line: 5,
    path: 'bgp.groups.a b',
    found: 'the key "a b"',
    allowed: '1–63 letters',
  },
  {
    name: 'a number out of range',
    change: ['  as: 65000\n', '  as: 4294967296\n'],
    line: 3,
    path: 'bgp.as',
    found: '4294967296',
    allowed: '1–4294967295',
  },
  {
    name: 'a hold time that RFC 4271 does not allow',
    change: ['  as: 65000\n', '  as: 65000\n  holdTime: 2\n'],
    line: 4,
    path: 'bgp.holdTime',
    found: '2',
    allowed: '0 or 3–65535 seconds',
  },
  {
    name: 'an unknown family',
    change: ['as: 65000 }', 'as: 65000, families: [vpnv4-unicats] }'],
    line: 5,
    path: 'bgp.neighbors[0].families[0]',
    found: '"vpnv4-unicats"',
    allowed: 'did you mean "vpnv4-unicast"?',
  },
  {
    name: 'a malformed address',
    change: ['10.255.1.2 }', '10.255.1 }'],
    line: 1,
    path: 'node.address',
    found: '"10.255.1"',
    allowed: 'an IPv4 or IPv6 address',
  },
  {
    name: 'a malformed route distinguisher',
    change: ['rd: 10.255.1.2:1', 'rd: red'],
    line: 8,
    path: 'vrfs[0].rd',
    found: '"red"',
    allowed: 'ASN:NUMBER or IPV4:NUMBER',
  },
  {
    name: 'a VNI out of range',
    change: ['rd: 10.255.1.2:1', 'rd: 10.255.1.2:1\n    vni: 16777216'],
    line: 9,
    path: 'vrfs[0].vni',
    found: '16777216',
    allowed: '1–16777215',
  },
  {
    name: 'a VNI of another VRF',
    change: [
      'vrfs:\n',
      "vrfs:\n  - { name: blue, rd: '1:1', vni: 7 }\n  - { name: '7', rd: '1:2' }\n  - { name: green, rd: '1:3', vni: 7 }\n",
    ],
    line: 9,
    path: 'vrfs[2].vni',
    found: '"7", as in entry 0',
    allowed: 'a VNI that no other VRF has',
  },
  {
    name: 'a route target out of range',
    change: ['import: [65000:1]', 'import: [65000:4294967296]'],
    line: 9,
    path: 'vrfs[0].import[0]',
    found: '"65000:4294967296"',
    allowed: 'a route target',
  },
  {
    name: 'a prefix where a host must be',
    change: ['addresses: [10.1.0.1', 'addresses: [10.1.0.0/24'],
    line: 12,
    path: 'endpoints[0].addresses[0]',
    found: '"10.1.0.0/24"',
    allowed: 'host address',
  },
  {
    name: 'a relative namespace',
    change: ['/run/netns/red-a', 'red-a'],
    line: 12,
    path: 'endpoints[0].netns',
    found: '"red-a"',
    allowed: 'absolute path',
  },
  {
    name: 'a device name that is too long',
    change: ['ifname: eth0', 'ifname: eth0123456789abc'],
    line: 12,
    path: 'endpoints[0].ifname',
    found: '"eth0123456789abc"',
    allowed: '1–15 characters',
  },
  {
    name: 'a link that there is not',
    change: ['ifname: eth0', 'ifname: eth0, link: token-ring'],
    line: 12,
    path: 'endpoints[0].link',
    found: '"token-ring"',
    allowed: 'ip, ethernet',
  },
  {
    name: 'a gateway that is the own address',
    change: ['fd00:1::1] }', 'fd00:1::1], gateways: [10.1.0.254, fd00:1::1] }'],
    line: 12,
    path: 'endpoints[0].gateways[1]',
    found: '"fd00:1::1"',
    allowed: 'one address a family',
  },
  {
    name: 'a rate of nothing',
    change: ['ifname: eth0', 'ifname: eth0, rateLimits: { egress: { bitsPerSecond: 0 } }'],
    line: 12,
    path: 'endpoints[0].rateLimits.egress.bitsPerSecond',
    found: '0',
    allowed: '1–10¹⁵ bits',
  },
  {
    name: 'a VRF that is not there',
    change: ['{ vrf: red', '{ vrf: rde'],
    line: 12,
    path: 'endpoints[0].vrf',
    found: '"rde"',
    allowed: 'did you mean "red"?',
  },
  {
    name: 'an address twice in a VRF',
    change: ['fd00:1::1] }', 'fd00:1::1] }\n  - { vrf: red, netns: /run/netns/x, ifname: eth0, addresses: [10.1.0.1] }'],
    line: 13,
    path: 'endpoints[1].addresses[0]',
    found: '"10.1.0.1"',
    allowed: 'endpoints[0]',
  },
  {
    name: 'a name twice',
    change: ['vrfs:\n', 'vrfs:\n  - { name: red, rd: 65000:9 }\n'],
    line: 8,
    path: 'vrfs[1].name',
    found: '"red", as in entry 0',
    allowed: 'no other VRF',
  },
  {
    name: 'a passive neighbour and nowhere to accept it',
    change: ['as: 65000 }', 'as: 65000, passive: true }'],
    line: 5,
    path: 'bgp.neighbors[0].passive',
    found: 'no bgp.listen',
    allowed: 'bgp.listen',
  },
  {
    name: 'an external route reflector client',
    change: ['as: 65000 }', 'as: 65001, routeReflectorClient: true }'],
    line: 5,
    path: 'bgp.neighbors[0].routeReflectorClient',
    found: 'true',
    allowed: 'AS 65000',
  },
  {
    name: 'a neighbour twice',
    change: ['as: 65000 }', 'as: 65000 }\n    - { address: 10.255.4.2, as: 65001 }'],
    line: 6,
    path: 'bgp.neighbors[1].address',
    found: '"10.255.4.2", as in entry 0',
    allowed: 'once',
  },
  {
    name: 'an unknown dataplane',
    change: ['kind: memory', 'kind: tap'],
    line: 13,
    path: 'dataplane.kind',
    found: '"tap"',
    allowed: 'memory, tun, ebpf',
  },
  {
    name: 'devices of a dataplane that has but one kind',
    change: ['kind: memory', 'kind: memory, devices: netkit'],
    line: 13,
    path: 'dataplane.devices',
    found: '"netkit"',
    allowed: 'nothing',
  },
  ...Object.entries({
    uplink: ['eth0', '"eth0"'],
    xdp: ['off', '"off"'],
    encapsulations: ['[vxlan]', 'a list'],
    without: ['[tcx]', 'a list'],
    routes: ['1000000', '1000000'],
    fibBlocks: ['262144', '262144'],
    flows: ['1000000', '1000000'],
    ports: ['100000', '100000'],
    pinDirectory: ['/sys/fs/bpf/heddle', '"/sys/fs/bpf/heddle"'],
  }).map(([key, [value, found]]): Row => ({
    name: `the key ${key} of a dataplane of another kind`,
    change: ['kind: memory', `kind: tun, ${key}: ${value}`],
    line: 13,
    path: `dataplane.${key}`,
    found,
    allowed: 'nothing: a dataplane of the kind tun',
  })),
  {
    name: 'a feature that no kernel has',
    change: ['kind: memory', 'kind: ebpf, without: [redirect-pear]'],
    line: 13,
    path: 'dataplane.without[0]',
    found: '"redirect-pear"',
    allowed: 'tcx, clsact, netkit, redirect-peer, decap-l3, kernel-packet, xdp, vxlan, vxlan-gpe (did you mean "redirect-peer"?)',
  },
  {
    name: 'a feature that nothing takes the place of',
    change: ['kind: memory', 'kind: ebpf, without: [mmapable-array]'],
    line: 13,
    path: 'dataplane.without[0]',
    found: '"mmapable-array"',
    allowed: 'tcx, clsact',
  },
  {
    name: 'an encapsulation that is none',
    change: ['kind: memory', 'kind: ebpf, encapsulations: [mpls-udp, geneve]'],
    line: 13,
    path: 'dataplane.encapsulations[1]',
    found: '"geneve"',
    allowed: 'mpls-udp, mpls-udp-joint, mpls-gre, vxlan',
  },
  {
    name: 'a directory for pins that is no absolute path',
    change: ['kind: memory', 'kind: ebpf, pinDirectory: pins'],
    line: 13,
    path: 'dataplane.pinDirectory',
    found: '"pins"',
    allowed: 'an absolute path',
  },
  {
    name: 'a directory for pins of a process that pins nothing',
    change: ['kind: memory', 'kind: ebpf, inProcess: true, pinDirectory: /sys/fs/bpf/heddle'],
    line: 13,
    path: 'dataplane.pinDirectory',
    found: '"/sys/fs/bpf/heddle"',
    allowed: 'nothing: with dataplane.inProcess nothing outlives the agent',
  },
  {
    name: 'too many routes',
    change: ['kind: memory', 'kind: ebpf, routes: 5000000'],
    line: 13,
    path: 'dataplane.routes',
    found: '5000000',
    allowed: 'most routes, an integer of 1–4194304',
  },
  {
    name: 'too little memory for routes',
    change: ['kind: memory', 'kind: ebpf, fibBlocks: 64'],
    line: 13,
    path: 'dataplane.fibBlocks',
    found: '64',
    allowed: 'an integer of 1024–4194304',
  },
  {
    name: 'an IPv6 node without a router id',
    change: ['address: 10.255.1.2 }', 'address: 2001:db8::1 }'],
    line: 3,
    path: 'bgp.routerId',
    found: 'nothing',
    allowed: 'required',
  },
  {
    name: 'a list where a mapping must be',
    change: ['node: { name: cloud-a, address: 10.255.1.2 }', 'node: []'],
    line: 1,
    path: 'node',
    found: 'an empty list',
    allowed: 'name, address',
  },
  {
    name: 'a key twice',
    change: ['  as: 65000\n', '  as: 65000\n  as: 65001\n'],
    line: 4,
    path: '',
    found: 'the key as a second time',
    allowed: 'each key once',
  },
  {
    name: 'text that is no YAML',
    change: ['{ name: cloud-a, address: 10.255.1.2 }', '{ name: cloud-a'],
    line: 2,
    path: '',
    found: '',
    allowed: 'YAML 1.2',
  },
]

const problemsOf = (text: string) => {
  try {
    parseNode('node.yaml', text)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  return undefined
}

describe('configuration of a node', () => {
  it('accepts what is right', () => {
    expect(parseNode('node.yaml', GOOD)).toMatchObject({ node: { name: 'cloud-a' }, endpoints: [{ addresses: ['10.1.0.1', 'fd00:1::1'] }] })
    const text = GOOD.replace('ifname: eth0', 'ifname: eth0, link: ethernet, gateways: [10.1.0.254]')
    const [endpoint] = resolveNode(parseNode('node.yaml', text)).endpoints
    expect(endpoint).toMatchObject({ link: 'ethernet', gateways: [IpAddress.parse('10.1.0.254')] })
  })

  it('accepts the sizes of an eBPF dataplane, what it is to do without, and where it pins', () => {
    const dataplane = {
      kind: 'ebpf',
      routes: 1_000_000,
      fibBlocks: 524_288,
      flows: 1_000_000,
      ports: 100_000,
      without: ['vxlan-gpe', 'tcx'],
      encapsulations: ['mpls-udp', 'vxlan'],
      pinDirectory: '/sys/fs/bpf/heddle',
    }
    const text = GOOD.replace('{ kind: memory }', JSON.stringify(dataplane))
    expect(parseNode('node.yaml', text).dataplane).toEqual(dataplane)
  })

  it('hands on how many flows an endpoint may have, of a dataplane of any kind', () => {
    const parsed = (dataplane: string): unknown =>
      resolveNode(parseNode('node.yaml', GOOD.replace('{ kind: memory }', dataplane))).endpointFlows
    expect(parsed('{ kind: memory }')).toBeUndefined()
    for (const kind of ['memory', 'tun', 'ebpf']) expect(parsed(`{ kind: ${kind}, endpointFlows: 5000 }`)).toBe(5000)
  })

  it('gives a limit of an endpoint a burst where none is said', () => {
    const limited = (limits: string): unknown =>
      resolveNode(parseNode('node.yaml', GOOD.replace('ifname: eth0', `ifname: eth0, rateLimits: ${limits}`))).endpoints[0].rateLimits
    expect(limited('{ egress: { bitsPerSecond: 100000000 } }')).toEqual({ egress: { bitsPerSecond: 100_000_000, burstOctets: 1_250_000 } })
    const both = { egress: { bitsPerSecond: 1, burstOctets: 2 }, ingress: { bitsPerSecond: 3, burstOctets: 4 } }
    expect(limited(JSON.stringify(both))).toEqual(both)
  })

  it('offers EVPN to neighbors that name no families where a VRF has a VNI, and else not', () => {
    const families = (text: string): readonly string[] => resolveNode(parseNode('node.yaml', text)).bgp.neighbors[0].families
    const withVni = GOOD.replace('rd: 10.255.1.2:1', 'rd: 10.255.1.2:1\n    vni: 5001')
    expect(resolveNode(parseNode('node.yaml', withVni)).vrfs).toMatchObject([{ vni: 5001 }])
    expect(families(GOOD)).toEqual(['vpnv4-unicast', 'vpnv6-unicast', 'rtc'])
    expect(families(withVni)).toEqual(['vpnv4-unicast', 'vpnv6-unicast', 'rtc', 'l2vpn-evpn'])
    expect(families(withVni.replace('as: 65000 }', 'as: 65000, families: [l2vpn-evpn] }'))).toEqual(['l2vpn-evpn'])
  })

  it.each(rows)('refuses $name, and says where', ({ change: [from, to], line, path, found, allowed }) => {
    expect(GOOD).toContain(from)
    const error = problemsOf(GOOD.replace(from, to))
    expect(error?.message).toContain(`node.yaml:${line}:`)
    const [problem] = error?.problems ?? []
    expect(problem).toMatchObject({ line, path })
    expect(problem.found).toContain(found)
    expect(problem.allowed).toContain(allowed)
  })

  it('names every problem, from the top of the file down', () => {
    const error = problemsOf(
      GOOD.replace('as: 65000\n', 'as: 0\n').replace('kind: memory', 'kind: tap').replace('rd: 10.255.1.2:1', 'rd: x'),
    )
    expect(error?.problems.map(({ path }) => path)).toEqual(['bgp.as', 'vrfs[0].rd', 'dataplane.kind'])
  })

  it('says so of an empty file and of one that is not there', async () => {
    expect(problemsOf('')?.problems).toMatchObject([{ line: 1, found: 'nothing' }])
    await expect(loadNode('/nonexistent/node.yaml')).rejects.toMatchObject({ code: 'config.unreadable' })
  })
})

describe('configuration of a speaker', () => {
  it('is that of a node without VRFs, endpoints and dataplane', () => {
    const text = 'node: { name: gw, address: 10.0.0.1 }\nbgp: { as: 65000 }\n'
    expect(parseSpeaker('speaker.yaml', text)).toMatchObject({ node: { name: 'gw' } })
    expect(() => parseSpeaker('speaker.yaml', `${text}vrfs: []\n`)).toThrow(
      /speaker\.yaml:3:1: vrfs: found the unknown key "vrfs"; allowed: node, socket, bgp/,
    )
  })
})
