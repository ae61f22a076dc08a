// `heddle node` with a VNI against FRR with an L3VNI: routes by EVPN type 5, packets by VXLAN between a router over TUN and the kernel's VRF. Needs a kernel
// with VRF devices: npm run peers:kernel boots one.
import { execFile, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { eventually } from '../packages/bgp/test/interop/daemon.js'
import { Namespaces } from '../packages/dataplane-tun/test/support/namespaces.js'
import { missing, missingInKernel } from '../packages/dataplane-tun/test/support/requirements.js'
import { root } from '../scripts/lib/packages.mjs'
import { FrrBfd, missingFrr } from './support/frr-bfd.js'

const run = promisify(execFile)
/** Seconds; a machine in software takes its time. */
const START_TIMEOUT = 300
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const [HERE, THERE] = ['192.0.2.1', '192.0.2.2']
const VNI = 5001
const [OUR_MAC, FRR_MAC] = ['02:68:c0:00:02:01', '02:00:00:00:00:0b']
const POD = { a: ['10.1.0.1', 'fd00:1::1'], b: ['10.2.0.2', 'fd00:2::2'] } as const

const reason = missing() || missingFrr() || missingInKernel('VRF devices', 'ip link add v0 type vrf table 10', 'peers:kernel')

/*
 *   pod-a ─ TUN ─ [heddle node] us ══ veth ══ frr: vxlan ─ bridge ─ VRF red ─ veth ─ pod-b
 */
const FRR_DEVICES = `
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip link add red type vrf table 100
ip link set red up
ip link add br${VNI} address ${FRR_MAC} type bridge
ip link set br${VNI} master red addrgenmode none
ip link set br${VNI} up
ip link add vni${VNI} type vxlan id ${VNI} local ${THERE} dstport 4789 nolearning
ip link set vni${VNI} master br${VNI} addrgenmode none
ip link set vni${VNI} type bridge_slave neigh_suppress on learning off
ip link set vni${VNI} up
ip link set lan master red
ip address add 10.2.0.1/24 dev lan
ip address add fd00:2::1/64 dev lan nodad
ip link set lan up`

const ZEBRA = `vrf red
 vni ${VNI}
exit-vrf
`
const BGPD = `router bgp 65000
 bgp router-id ${THERE}
 no bgp default ipv4-unicast
 neighbor ${HERE} remote-as 65000
 neighbor ${HERE} timers connect 1
 address-family l2vpn evpn
  neighbor ${HERE} activate
  advertise-all-vni
 exit-address-family
exit
router bgp 65000 vrf red
 bgp router-id ${THERE}
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
 exit-address-family
 address-family l2vpn evpn
  advertise ipv4 unicast
  advertise ipv6 unicast
  rd ${THERE}:1
  route-target both 65000:100
 exit-address-family
exit
`

interface RouteRow {
  readonly prefix: string
  readonly encapsulation: string | null
  readonly label: number
  readonly nextHop: string | null
  readonly peer: string
  readonly installed: boolean
}

class Sites implements AsyncDisposable {
  readonly namespaces = new Namespaces()
  readonly frr = new FrrBfd(this.namespaces, 'frr')
  readonly #directory = mkdtempSync(join(tmpdir(), 'hd-vxlan-'))
  readonly #socket = join(this.#directory, 'us.sock')
  #node: ChildProcess | undefined
  #output = ''

  async start(): Promise<void> {
    for (const name of ['us', 'frr', 'pod-a', 'pod-b']) this.namespaces.add(name)
    this.#in('us', `ip link add up0 type veth peer name up0 netns ${this.namespaces.name('frr')}`)
    for (const [name, address] of [
      ['us', HERE],
      ['frr', THERE],
    ] as const) {
      this.#in(name, `ip address add ${address}/24 dev up0`)
      this.#in(name, 'ip link set up0 up')
    }
    this.#in('frr', `ip link add lan type veth peer name eth0 netns ${this.namespaces.name('pod-b')}`)
    this.#in('frr', FRR_DEVICES.trim())
    const pod = `ip address add ${POD.b[0]}/24 dev eth0\nip address add ${POD.b[1]}/64 dev eth0 nodad\nip link set eth0 up`
    this.#in('pod-b', `${pod}\nip route add default via 10.2.0.1\nip route add default via fd00:2::1`)
    await Promise.all([this.frr.start(BGPD, '', ZEBRA), this.#startNode()])
  }

  async heddle(...words: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [executable, '--socket', this.#socket, ...words])
    return stdout
  }

  /** What FRR told us. */
  async told(): Promise<readonly RouteRow[]> {
    const rows = JSON.parse(await this.heddle('show', 'routes', '--json')) as readonly RouteRow[]
    return rows.filter(({ peer }) => peer !== 'local').toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))
  }

  /** Answers to ping, which ends when it has three, or one more where they take long, or has waited for half a minute; it never fails. */
  async answers(from: string, ...words: string[]): Promise<number> {
    const argv = ['netns', 'exec', this.namespaces.name(from), 'ping', '-c', '3', '-w', '30', '-i', '0.2', ...words]
    const said = await run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
    const [, received] = / (\d+) received/.exec(said) ?? []
    if (received === undefined) throw new Error(`ping: ${said}`)
    return Number(received)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const node = this.#node
    if (node?.exitCode === null && node.signalCode === null) {
      const gone = new Promise((resolve) => node.once('exit', resolve))
      node.kill('SIGTERM')
      await gone
    }
    this.frr.close()
    this.namespaces.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #startNode(): Promise<void> {
    const file = join(this.#directory, 'us.yaml')
    writeFileSync(
      file,
      stringify({
        node: { name: 'us', address: HERE },
        socket: this.#socket,
        bgp: { as: 65_000, neighbors: [{ address: THERE, as: 65_000, connectRetry: 1 }] },
        vrfs: [{ name: 'red', rd: `${HERE}:1`, import: ['65000:100'], export: ['65000:100'], vni: VNI }],
        endpoints: [{ vrf: 'red', netns: this.namespaces.path('pod-a'), ifname: 'eth0', addresses: POD.a }],
        dataplane: { kind: 'tun', inProcess: true },
      }),
    )
    this.#node = this.namespaces.start('us', process.execPath, executable, 'node', '--config', file)
    for (const stream of [this.#node.stdout, this.#node.stderr]) stream?.setEncoding('utf8').on('data', (text) => (this.#output += text))
    await eventually('it serves', () => this.#output.includes('ready') || undefined, START_TIMEOUT)
  }

  #in(name: string, commands: string): void {
    for (const command of commands.split('\n')) this.namespaces.in(name, ...command.split(' '))
  }
}

describe.skipIf(reason !== '')(`VXLAN with FRR's L3VNI${reason === '' ? '' : ` (skipped: ${reason})`}`, () => {
  let sites: Sites

  beforeAll(async () => {
    sites = new Sites()
    await sites.start()
  })
  afterAll(async () => sites?.[Symbol.asyncDispose]())

  it('exchanges type 5 routes with VNI and router MAC', async () => {
    const route = { encapsulation: 'vxlan', label: VNI, nextHop: THERE, peer: THERE, installed: true }
    await expect
      .poll(() => sites.told(), { interval: 500 })
      .toMatchObject([
        { ...route, prefix: '10.2.0.0/24' },
        { ...route, prefix: 'fd00:2::/64' },
      ])
    const macs = async (): Promise<string> => JSON.stringify(await sites.frr.ask('zebra', `show evpn rmac vni ${VNI}`))
    await expect.poll(macs, { interval: 500 }).toContain(OUR_MAC)
    for (const [afi, prefix] of [
      ['ipv4', '10.1.0.1/32'],
      ['ipv6', 'fd00:1::1/128'],
    ]) {
      const table = async (): Promise<string> => JSON.stringify(await sites.frr.ask('bgpd', `show bgp vrf red ${afi} unicast`))
      await expect.poll(table, { interval: 500 }).toContain(prefix)
    }
  })

  it.each([
    [4, 0],
    [6, 1],
  ])('carries packets both ways, as large as the tunnel takes (IPv%i)', async (_family, index) => {
    expect(await sites.answers('pod-a', POD.b[index])).toBeGreaterThanOrEqual(3)
    expect(await sites.answers('pod-b', POD.a[index])).toBeGreaterThanOrEqual(3)
    const size = String(1500 - 50 - (index === 0 ? 28 : 48))
    expect(await sites.answers('pod-a', '-s', size, '-M', 'do', POD.b[index])).toBeGreaterThanOrEqual(3)
  })

  it('takes back what went', async () => {
    await sites.heddle('endpoint', 'del', '--netns', sites.namespaces.path('pod-a'), '--ifname', 'eth0')
    const table = async (): Promise<string> => JSON.stringify(await sites.frr.ask('bgpd', 'show bgp vrf red ipv4 unicast'))
    await expect.poll(table, { interval: 500 }).not.toContain('10.1.0.1/32')
  })
})
