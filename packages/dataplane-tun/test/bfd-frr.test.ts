import { RouteBatch, type DataplaneEvent, type FibTransaction, type LivenessObject } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { makeFolder } from './support/folders.js'
import { missing } from './support/requirements.js'
import { Namespaces } from './support/namespaces.js'

const [BFDD, ZEBRA] = ['/usr/lib/frr/bfdd', '/usr/lib/frr/zebra']
const reason = missing() || (existsSync(BFDD) && existsSync(ZEBRA) ? '' : `needs ${BFDD} and ${ZEBRA}`)

const HERE = IpAddress.parse('192.0.2.1')
const FRR = IpAddress.parse('192.0.2.2')
const none = { set: [], remove: [] }

function transaction(generation: number, liveness: FibTransaction['liveness']): FibTransaction {
  const rest = { vrfs: none, ports: none, nextHops: none, groups: none, tunnelSources: none, labels: none, vnis: none }
  return { generation, ...rest, ...(liveness !== undefined && { liveness }), routes: new RouteBatch() }
}

/** A TUN dataplane and FRR's bfdd at the two ends of a veth. */
class Peers {
  readonly namespaces = new Namespaces()
  readonly events: DataplaneEvent[] = []
  readonly #directory = makeFolder('bfdd')
  dataplane: TunDataplane | undefined

  async start(peer: string): Promise<void> {
    const { namespaces } = this
    for (const name of ['router', 'frr']) namespaces.add(name)
    namespaces.in('router', ...`ip link add up0 type veth peer name up0 netns ${namespaces.name('frr')}`.split(' '))
    for (const [name, address] of [
      ['router', HERE],
      ['frr', FRR],
    ] as const) {
      namespaces.in(name, ...`ip address add ${address}/24 dev up0`.split(' '))
      namespaces.in(name, ...'ip link set up0 up'.split(' '))
    }
    const file = join(this.#directory, 'bfdd.conf')
    writeFileSync(
      file,
      `bfd\n ${peer}\n  detect-multiplier 3\n  receive-interval 100\n  transmit-interval 100\n  no shutdown\n exit\nexit\n`,
    )
    chmodSync(this.#directory, 0o777)
    this.#daemon(ZEBRA)
    await expect.poll(() => existsSync(join(this.#directory, 'zebra.sock'))).toBe(true)
    this.#daemon(BFDD, '-f', file, '--bfdctl', join(this.#directory, 'bfdd.sock'))
    this.dataplane = await tunDataplane({ addresses: [HERE], inProcess: true, underlayNetns: namespaces.path('router') })
    void this.#listen(this.dataplane)
  }

  async told(type: DataplaneEvent['type']): Promise<void> {
    await expect.poll(() => this.events.map((event) => event.type)).toContain(type)
    this.events.length = 0
  }

  async close(): Promise<void> {
    await this.dataplane?.close()
    this.namespaces.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #daemon(command: string, ...args: string[]): void {
    const place = (name: string): string => join(this.#directory, name)
    const paths = ['-i', place(`${basename(command)}.pid`), '-z', place('zebra.sock'), '--vty_socket', this.#directory]
    this.namespaces.start('frr', command, ...paths, '-u', 'frr', '-g', 'frr', '--log', 'stdout', '-P', '0', ...args)
  }

  async #listen(dataplane: TunDataplane): Promise<void> {
    for await (const event of dataplane.events) this.events.push(event)
  }
}

describe.skipIf(reason !== '')(reason === '' ? 'BFD with FRR' : `BFD with FRR (skipped: ${reason})`, () => {
  let peers: Peers
  afterEach(() => peers.close())

  it.each([
    ['one hop away (RFC 5881)', 'single', `peer ${HERE} interface up0`],
    ['further away (RFC 5883)', 'multiple', `peer ${HERE} multihop local-address ${FRR}`],
  ] as const)('comes up, notices a cut and its end: %s', async (_, hops, peer) => {
    peers = new Peers()
    await peers.start(peer)
    const { dataplane, namespaces } = peers
    expect(dataplane?.capabilities.features).toContain('liveness')
    const object: LivenessObject = { id: 1, local: HERE, remote: FRR, hops, desiredMinTx: 100_000, requiredMinRx: 100_000, multiplier: 3 }
    expect(await dataplane?.apply(transaction(1, { set: [object], remove: [] }))).toMatchObject({ status: 'applied', failures: [] })
    await peers.told('liveness-up')
    namespaces.in('frr', ...'ip link set up0 down'.split(' '))
    await peers.told('liveness-down')
    namespaces.in('frr', ...'ip link set up0 up'.split(' '))
    await peers.told('liveness-up')
  })
})
