// What happens to flows and routes when parts of the real topology restart, die or are cut off: FRR's bgpd, `heddle node` processes, TUN.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missingForRealLab } from '../packages/cli/src/lab/real/requirements.js'
import { RealLab } from '../packages/cli/src/lab/real/real-lab.js'
import { hostPrefix, renamed, TOPOLOGY, type LabPod } from '../packages/cli/src/lab/topology.js'
import { until as untilOr } from '../packages/cli/src/lab/until.js'
import { root } from '../scripts/lib/packages.mjs'

const missing = missingForRealLab()
const reason = missing.length === 0 ? '' : ` (not run: needs ${missing.join('; ')})`
const missingForKernel = missingForRealLab([TOPOLOGY.nodes[0].name])
const kernelReason = missingForKernel.length === 0 ? '' : ` (not run: needs ${missingForKernel.join('; ')})`
const topology = renamed(TOPOLOGY, 'hl-')
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const [first, second, third] = topology.nodes.map(({ name }) => name) as [string, string, string]
/** Seconds until a silent neighbor is given up; long enough for a busy machine. */
const HOLD_TIME = 6
const podOf = (node: string): LabPod => topology.pods.find((pod) => pod.node === node && pod.vrf === 'red') as LabPod

/** Milliseconds until `condition` held. */
async function until(lab: RealLab, deadline: number, condition: () => Promise<boolean>): Promise<number> {
  return (await untilOr(lab, deadline, condition)) ?? expect.fail(`not within ${deadline} ms`)
}

/** Whether `node` has every pod's routes and the gateway's, installed. */
async function complete(lab: RealLab, node: string): Promise<boolean> {
  const rows = (await lab.routes(node)).filter(({ best, installed }) => best && installed)
  const wanted = [
    ...topology.pods.flatMap(({ vrf, addresses }) => addresses.map((address) => `${vrf} ${hostPrefix(address)}`)),
    ...topology.external.map(({ vrf, prefix }) => `${vrf} ${prefix}`),
  ]
  return wanted.every((key) => rows.some(({ vrf, prefix }) => `${vrf} ${prefix}` === key))
}

async function allComplete(lab: RealLab): Promise<boolean> {
  for (const { name } of topology.nodes) if (!(await complete(lab, name))) return false
  return true
}

async function established(lab: RealLab): Promise<boolean> {
  for (const { name } of topology.nodes) if (!(await lab.neighbors(name)).every(({ state }) => state === 'established')) return false
  return true
}

async function hasRoutesOf(lab: RealLab, observer: string, owner: string): Promise<boolean> {
  const address = podOf(owner).addresses[0]
  return (await lab.routes(observer)).some(({ vrf, prefix, installed }) => vrf === 'red' && prefix === hostPrefix(address) && installed)
}

/** A pod of `from` reaches one of `to`, over IPv4 and IPv6. */
async function meet(lab: RealLab, from: string, to: string): Promise<void> {
  const { name, addresses } = podOf(to)
  for (const address of addresses) expect(`${address}: ${await lab.whoIs(podOf(from), address)}`).toBe(`${address}: ${name}`)
}

describe.skipIf(reason !== '')(`with graceful restart, and two of three nodes that forward in the kernel where it can${reason}`, () => {
  let lab: RealLab
  beforeAll(async () => {
    const kernelNodes = kernelReason === '' ? [second, third] : []
    lab = await RealLab.start({ topology, executable, gracefulRestart: true, kernelNodes }, () => undefined)
    await until(lab, 30_000, async () => allComplete(lab))
  })
  afterAll(async () => {
    await lab?.close()
  })

  it.each([
    [third, second],
    [first, second],
    [second, first],
  ])('pods of %s and %s reach each other over IPv4 and IPv6', async (from, to) => {
    const { name, addresses } = podOf(to)
    for (const address of addresses) {
      await until(lab, 10_000, async () => (await lab.whoIs(podOf(from), address, 1000)) === name)
      expect(await lab.throughput(podOf(from), address, 200)).toBeGreaterThan(0)
    }
  })

  it('a restart of FRR costs established flows no packet', async () => {
    const flow = await lab.flow(podOf(first), podOf(second).addresses[0])
    await lab.sleep(300)
    await lab.gateway.kill()
    await until(lab, 5000, async () => !(await established(lab)))
    expect(await allComplete(lab)).toBe(true) // stale, and forwarding
    await lab.gateway.start()
    const took = await until(lab, 30_000, async () => (await established(lab)) && (await allComplete(lab)))
    await lab.sleep(500)
    const { sent, received } = await flow.stop()
    console.log(
      `FRR restarted gracefully: sessions and routes complete after ${Math.round(took)} ms, ${sent - received} of ${sent} datagrams lost`,
    )
    expect(sent).toBeGreaterThan(50)
    expect(received).toBe(sent)
  })

  it('the death of an agent costs flows to its pods and past it no packet, and the next agent converges without a gap', async () => {
    const labels = (await lab.routes(second))
      .filter(({ prefix }) => prefix === hostPrefix(podOf(first).addresses[0]))
      .map(({ label }) => label)
    const flows = [await lab.flow(podOf(second), podOf(first).addresses[0]), await lab.flow(podOf(second), podOf(third).addresses[1])]
    await lab.sleep(300)
    await lab.killAgent(first)
    await lab.sleep(500)
    expect(await hasRoutesOf(lab, second, first)).toBe(true)
    await lab.startNode(first)
    await until(lab, 30_000, async () => (await established(lab)) && (await allComplete(lab)))
    await lab.sleep(500)
    for (const flow of flows) {
      const { sent, received } = await flow.stop()
      expect(sent).toBeGreaterThan(100)
      expect(received).toBe(sent)
    }
    const after = (await lab.routes(second))
      .filter(({ prefix }) => prefix === hostPrefix(podOf(first).addresses[0]))
      .map(({ label }) => label)
    expect(after).toEqual(labels)
  })

  it('the death of a forwarder costs packets, but no interface, address or label; its agent starts another one', async () => {
    const { name, addresses } = podOf(first)
    const rows = await lab.routes(second)
    const flow = await lab.flow(podOf(second), addresses[0])
    await lab.sleep(300)
    await lab.killForwarder(first)
    await until(lab, 10_000, async () => (await lab.whoIs(podOf(second), addresses[0], 1000)) === name)
    await until(lab, 10_000, async () => allComplete(lab))
    const { sent, received, longestGapMs } = await flow.stop()
    console.log(`forwarder died: ${sent - received} of ${sent} datagrams lost, ${Math.round(longestGapMs)} ms without an answer`)
    // Five seconds' worth: a busy machine sends fewer in that time, and lets the new forwarder wait as long.
    expect(sent - received).toBeLessThan(1000)
    const labels = (list: typeof rows) =>
      list
        .filter(({ best }) => best)
        .map(({ vrf, prefix, label }) => `${vrf} ${prefix} ${label}`)
        .toSorted()
    expect(labels(await lab.routes(second))).toEqual(labels(rows))
    expect(await lab.leftovers(first)).toEqual(expect.arrayContaining([`eth0 in ${name}`]))
  })

  it.skipIf(kernelReason !== '')(
    `the death of an agent whose kernel forwards costs flows to its pods no packet, and the next one takes over what the kernel holds${kernelReason}`,
    async () => {
      const labels = async (): Promise<unknown[]> => (await lab.routes(third)).map(({ prefix, label }) => [prefix, label])
      const before = await labels()
      const flow = await lab.flow(podOf(third), podOf(second).addresses[0])
      await lab.sleep(300)
      await lab.killAgent(second)
      await lab.sleep(500)
      await lab.startNode(second)
      await until(lab, 30_000, async () => (await established(lab)) && (await allComplete(lab)))
      await lab.sleep(300)
      const { sent, received } = await flow.stop()
      expect(sent).toBeGreaterThan(100)
      expect(received).toBe(sent)
      expect(await labels()).toEqual(before)
    },
    60_000,
  )
})

describe.skipIf(reason !== '')(`without graceful restart${reason}`, () => {
  let lab: RealLab
  beforeAll(async () => {
    lab = await RealLab.start({ topology: { ...topology, holdTime: HOLD_TIME }, executable, gracefulRestart: false }, () => undefined)
    await until(lab, 30_000, async () => allComplete(lab))
  })
  afterAll(async () => {
    await lab?.close()
  })

  it('the routes of an agent that died are gone within two seconds, and come back', async () => {
    await lab.killAgent(third)
    const gone = await until(lab, 2000, async () => !(await hasRoutesOf(lab, first, third)))
    await lab.startNode(third)
    const back = await until(lab, 20_000, async () => allComplete(lab))
    console.log(`agent died: routes gone after ${Math.round(gone)} ms, back ${Math.round(back)} ms after its start`)
    await meet(lab, first, third)
  })

  it('the routes behind a link that was cut without a sign go when the hold time ends', async () => {
    await lab.underlay.cut(third)
    const cut = lab.now()
    await lab.sleep(HOLD_TIME * 1000 * 0.5)
    const held = await hasRoutesOf(lab, first, third)
    // The last keepalive is a third of the hold time old at most; a busy machine may have looked too late.
    if (lab.now() - cut < (HOLD_TIME * 1000 * 2) / 3) expect(held).toBe(true)
    await until(lab, HOLD_TIME * 1000, async () => !(await hasRoutesOf(lab, first, third)))
    console.log(`link cut: routes gone after ${Math.round(lab.now() - cut)} ms, the hold time is ${HOLD_TIME} s`)
    await lab.underlay.heal(third)
    await until(lab, 40_000, async () => allComplete(lab))
    await meet(lab, first, third)
  })

  it('everything reconverges after a restart of FRR', async () => {
    await lab.gateway.kill()
    await until(lab, 5000, async () => !(await hasRoutesOf(lab, first, second)))
    await lab.gateway.start()
    const took = await until(lab, 40_000, async () => (await established(lab)) && (await allComplete(lab)))
    console.log(`FRR restarted without graceful restart: complete ${Math.round(took)} ms after its start`)
    await meet(lab, first, second)
  })

  // FRR 8.4 told such a node's IPv6 routes with its own address as next hop, see docs/INTEROP.md.
  it('a node that comes seconds after the others, of a reflector that started anew, is reached over IPv6 as well', async () => {
    await lab.gateway.kill()
    await lab.stopNode(third)
    await lab.gateway.start()
    await lab.sleep(5000)
    await lab.startNode(third)
    await until(lab, 40_000, async () => (await established(lab)) && (await allComplete(lab)))
    for (const other of [first, second]) {
      await meet(lab, other, third)
      await meet(lab, third, other)
    }
  })

  it('an end by SIGTERM withdraws and leaves no device, process or socket behind', async () => {
    await lab.stopNode(third)
    await until(lab, 2000, async () => !(await hasRoutesOf(lab, first, third)))
    expect(await lab.leftovers(third)).toEqual([])
    await lab.startNode(third)
    await until(lab, 20_000, async () => allComplete(lab))
  })
})
