import { IpAddress } from '@heddle/wire'
import { LabError } from './errors.js'
import type { RouteRow } from '@heddle/agent'
import type { Flow, Lab, PeerView } from './lab.js'
import { renderTopology } from './render.js'
import type { Check, ConvergenceResult, DemoReport, PairResult } from './report.js'
import { hostPrefix, labRd, ONLY_BLUE, type LabNode, type LabPod, type LabTopology } from './topology.js'
import { until } from './until.js'

/** Told what is being done, as it is done. */
export type Progress = (line: string) => void

export interface StoryOptions {
  readonly lab: Lab
  readonly topology: LabTopology
  readonly progress: Progress
  /** What was missing for the real demo. */
  readonly missing: readonly string[]
}

/** Milliseconds until sessions and routes must be there at the start. */
const START_DEADLINE = 30_000

/**
 * The main job on a running lab: sessions, routes, packets, isolation, convergence. The same assertions whatever the lab is made of; what does not
 * apply is said so. The report is complete also when checks fail.
 */
export async function tellStory({ lab, topology, progress, missing }: StoryOptions): Promise<DemoReport> {
  const begun = lab.now()
  const checks: Check[] = []
  const check = (name: string, passed: boolean, detail: string): void => {
    checks.push({ name, status: passed ? 'passed' : 'failed', detail })
    progress(`${passed ? '✓' : '✗'} ${name}: ${detail}`)
  }
  const notApplicable = (name: string, detail: string): void => {
    checks.push({ name, status: 'not-applicable', detail })
    progress(`– ${name}: not applicable (${detail})`)
  }

  /** Labels that were allocated after the first look at the routes, as `LABEL NEXTHOP`. */
  const lateLabels = new Set<string>()

  // 1. Sessions and routes
  progress('waiting for sessions and routes')
  const wanted = expectedRoutes(topology)
  const converged = await until(lab, START_DEADLINE, async () => (await missingRoutes(lab, topology, wanted)).length === 0)
  const lacking = converged === undefined ? await missingRoutes(lab, topology, wanted) : []
  const sessions = (
    await Promise.all(topology.nodes.map(async ({ name }) => (await lab.neighbors(name)).map((row) => ({ ...row, node: name }))))
  ).flat()
  const up = sessions.filter(({ state }) => state === 'established').length
  check('sessions', up === topology.nodes.length, `${up} of ${topology.nodes.length} established with ${topology.gateway.name}`)
  const routes = (
    await Promise.all(topology.nodes.map(async ({ name }) => (await lab.routes(name)).map((row) => ({ ...row, node: name }))))
  ).flat()
  check(
    'routes',
    lacking.length === 0,
    lacking.length === 0
      ? `${wanted.length} expected, all best and installed, after ${seconds(converged ?? 0)}`
      : `missing: ${lacking.slice(0, 4).map(describeRoute).join('; ')}${lacking.length > 4 ? ` and ${lacking.length - 4} more` : ''}`,
  )
  for (const external of topology.external) {
    const row = routes.find(({ vrf, prefix, best }) => vrf === external.vrf && prefix === external.prefix && best)
    check(
      `${external.prefix} of ${topology.gateway.name}`,
      row?.label === external.label && row.nextHop === topology.gateway.address,
      row === undefined ? 'not in the VRF' : `in ${row.vrf} with label ${row.label}, next hop ${row.nextHop}, ${row.encapsulation}`,
    )
  }

  // 2. Packets between the pods of each VRF
  progress('pinging every pair of pods')
  const pairs: PairResult[] = []
  for (const from of topology.pods) {
    for (const to of topology.pods) {
      if (from === to || from.vrf !== to.vrf) continue
      for (const address of to.addresses) pairs.push(await meetPair(lab, from, to, address))
    }
  }
  const silent = pairs.filter(({ rttMs }) => rttMs === null)
  check(
    'ping',
    silent.length === 0,
    silent.length === 0
      ? `${pairs.length} pairs, IPv4 and IPv6`
      : `no answer: ${silent.map(({ from, address }) => `${from} → ${address}`).join(', ')}`,
  )
  const mistaken = pairs.filter(({ to, answeredBy }) => answeredBy !== to)
  check(
    'names',
    mistaken.length === 0,
    mistaken.length === 0
      ? 'every address was answered by the pod of its own VRF'
      : mistaken.map(({ from, address, to, answeredBy }) => `${from} → ${address}: ${answeredBy ?? 'nobody'} instead of ${to}`).join(', '),
  )
  const measured = pairs.filter(({ megabitsPerSecond }) => megabitsPerSecond !== null)
  if (lab.kind === 'memory') notApplicable('tcp throughput', 'no TCP in the in-memory pods')
  else {
    const rates = measured.map(({ megabitsPerSecond }) => megabitsPerSecond as number)
    check(
      'tcp throughput',
      rates.length > 0 && Math.min(...rates) > 0,
      `${rates.length} streams, ${rates.length > 0 ? Math.round(Math.min(...rates)) : 0}–${Math.round(Math.max(0, ...rates))} Mbit/s`,
    )
  }

  // 3. Isolation: an address that only the other VRF has
  const red = podNamed(topology, 'red-a')
  const reason = 'no-route'
  const before = await dropsFor(lab, red.node, reason)
  const leak = await lab.ping(red, ONLY_BLUE, 3, 1000)
  const owner = await lab.whoIs(podNamed(topology, 'blue-a'), ONLY_BLUE)
  const after = await dropsFor(lab, red.node, reason)
  const isolation = { from: red.name, to: ONLY_BLUE, node: red.node, reason, before, after }
  check(
    'isolation',
    leak.received === 0 && owner === 'blue-x' && after - before >= leak.sent,
    `${red.name} → ${ONLY_BLUE}: ${leak.received} of ${leak.sent} answered, drops ${reason} on ${red.node} ${before} → ${after}; from blue ${owner ?? 'nobody'} answers`,
  )

  // 4. Convergence
  const convergence: ConvergenceResult[] = []
  await addPod()
  await loseAgent()
  await loseNode()

  // 5. What others say of it
  const peer = (await lab.peerView()) ?? null
  if (peer === null) notApplicable('peer view', 'the peer is Heddle itself')
  else {
    const unknown = wanted
      .filter(({ owner }) => owner !== topology.gateway.name)
      .filter(({ vrf, prefix, rd, node }) => {
        const row = routes.find(
          (candidate) => candidate.node === node && candidate.vrf === vrf && candidate.prefix === prefix && candidate.rd === rd,
        )
        const own = peer.routes.find((route) => route.rd === rd && route.prefix === prefix)
        return own === undefined || row === undefined || !sameRoute(own, row, topology)
      })
    check(
      'peer view',
      unknown.length === 0,
      unknown.length === 0
        ? `${peer.software} has ${peer.routes.length} routes; prefix, RD, RT, label and next hop equal ours`
        : `differs for ${unknown.slice(0, 4).map(describeRoute).join('; ')}`,
    )
  }
  progress('reading the capture')
  const capture = (await lab.capture()) ?? null
  if (capture === null) notApplicable('capture', 'no wire')
  else {
    const labels = new Set(
      routes.filter(({ label, nextHop }) => label !== null && nextHop !== null).map(({ label, nextHop }) => `${label} ${nextHop}`),
    )
    const foreign = capture.labels.filter(
      ({ label, destination }) => !labels.has(`${label} ${destination}`) && !lateLabels.has(`${label} ${destination}`),
    )
    check(
      'capture',
      capture.packets > 0 && capture.dissected === capture.packets,
      `${capture.dissected} of ${capture.packets} packets dissected as UDP 6635 → MPLS → IP`,
    )
    check(
      'labels on the wire',
      capture.labels.length > 0 && foreign.length === 0,
      foreign.length === 0
        ? `${capture.labels.length} labels, each allocated by the node it was sent to`
        : `not allocated by their destination: ${foreign.map(({ label, destination }) => `${label} to ${destination}`).join(', ')}`,
    )
    check(
      'underlay',
      capture.naked === 0,
      capture.naked === 0 ? 'no tenant address outside a tunnel' : `${capture.naked} frames with tenant addresses outside a tunnel`,
    )
  }

  return {
    kind: lab.kind,
    description: lab.description,
    missing,
    topology: renderTopology(topology),
    sessions,
    routes,
    pairs,
    isolation,
    convergence,
    peer,
    capture,
    checks,
    verdict: checks.every(({ status }) => status !== 'failed') ? 'passed' : 'failed',
    seconds: (lab.now() - begun) / 1000,
  }

  async function addPod(): Promise<void> {
    const pod = topology.latePod
    const observer = topology.nodes.find(({ name }) => name !== pod.node) as LabNode
    progress(`attaching ${pod.name} to ${pod.node}`)
    const start = lab.now()
    await lab.addPod(pod)
    const took = await until(
      lab,
      10_000,
      async () => {
        const rows = await lab.routes(observer.name)
        return pod.addresses.every((address) =>
          rows.some((row) => row.vrf === pod.vrf && row.prefix === hostPrefix(address) && row.best && row.installed),
        )
      },
      start,
    )
    const answered = await lab.whoIs(podNamed(topology, 'red-a'), pod.addresses[0])
    if (took !== undefined)
      convergence.push({ event: `${pod.name} attached to ${pod.node}, installed on ${observer.name}`, milliseconds: took })
    for (const row of await lab.routes(observer.name))
      if (row.label !== null && row.nextHop !== null) lateLabels.add(`${row.label} ${row.nextHop}`)
    check(
      'pod added',
      took !== undefined && answered === pod.name,
      took === undefined
        ? `${observer.name} has no route after 10 s`
        : `${observer.name} had its routes after ${seconds(took)}, ${answered ?? 'nobody'} answers`,
    )
  }

  async function loseAgent(): Promise<void> {
    const node = topology.nodes.find(({ gracefulRestart }) => gracefulRestart) as LabNode
    const others = podNamed(topology, 'red-c')
    const own = topology.pods.find((pod) => pod.node === node.name && pod.vrf === 'red') as LabPod
    const passing = podNamed(topology, 'red-b')
    progress(`killing the agent of ${node.name}, which restarts gracefully`)
    const flows: Flow[] = [await lab.flow(others, own.addresses[0]), await lab.flow(others, passing.addresses[0])]
    await lab.sleep(300)
    const start = lab.now()
    await lab.killAgent(node.name)
    await lab.sleep(500)
    await lab.startNode(node.name)
    const back = await until(lab, 20_000, async () => (await missingRoutes(lab, topology, wanted)).length === 0, start)
    await lab.sleep(300)
    const results = await Promise.all(flows.map(async (flow) => flow.stop()))
    const lost = results.reduce((sum, { sent, received }) => sum + sent - received, 0)
    const sent = results.reduce((sum, result) => sum + result.sent, 0)
    if (back !== undefined)
      convergence.push({ event: `agent of ${node.name} killed and restarted gracefully, all routes`, milliseconds: back })
    check(
      'graceful restart',
      back !== undefined && lost === 0 && sent > 0,
      `${lost} of ${sent} datagrams lost${back === undefined ? ', routes not complete after 20 s' : `, routes complete after ${seconds(back)}`}`,
    )
  }

  async function loseNode(): Promise<void> {
    const victim = topology.nodes.find(({ name }) => name === topology.victim) as LabNode
    const observer = topology.nodes.find(({ name }) => name !== victim.name) as LabNode
    const theirs = wanted.filter(({ owner, node }) => owner === victim.name && node === observer.name)
    progress(`killing ${victim.name}, which does not`)
    const start = lab.now()
    await lab.killNode(victim.name)
    const gone = await until(
      lab,
      2000,
      async () => {
        const rows = await lab.routes(observer.name)
        return theirs.every((route) => !rows.some((row) => row.rd === route.rd && row.prefix === route.prefix && row.installed))
      },
      start,
    )
    if (gone !== undefined) convergence.push({ event: `${victim.name} killed, its routes gone from ${observer.name}`, milliseconds: gone })
    check(
      'node killed',
      gone !== undefined,
      gone === undefined ? 'its routes stay after 2 s' : `its ${theirs.length} routes gone after ${seconds(gone)}`,
    )
    const again = lab.now()
    await lab.startNode(victim.name)
    const back = await until(lab, 20_000, async () => (await missingRoutes(lab, topology, wanted)).length === 0, again)
    if (back !== undefined) convergence.push({ event: `${victim.name} started again, all routes`, milliseconds: back })
    const answered = await Promise.all(
      podNamed(topology, 'red-c').addresses.map(async (address) => lab.whoIs(podNamed(topology, 'red-a'), address)),
    )
    for (const node of topology.nodes)
      for (const row of await lab.routes(node.name))
        if (row.label !== null && row.nextHop !== null) lateLabels.add(`${row.label} ${row.nextHop}`)
    check(
      'node back',
      back !== undefined && answered.every((name) => name === 'red-c'),
      back === undefined
        ? 'routes not complete after 20 s'
        : `all routes after ${seconds(back)}, over IPv4 ${answered[0] ?? 'nobody'} answers, over IPv6 ${answered[1] ?? 'nobody'}`,
    )
  }
}

interface ExpectedRoute {
  /** The node whose table must have it. */
  readonly node: string
  readonly vrf: string
  readonly prefix: string
  readonly rd: string
  readonly owner: string
}

/** Every pod's and the gateway's routes, in the table of every node. */
function expectedRoutes(topology: LabTopology): readonly ExpectedRoute[] {
  const vrfOf = (name: string) => topology.vrfs.find((vrf) => vrf.name === name)
  return topology.nodes.flatMap(({ name: node }) => [
    ...topology.pods.flatMap((pod) => {
      const owner = topology.nodes.find(({ name }) => name === pod.node)
      const vrf = vrfOf(pod.vrf)
      if (owner === undefined || vrf === undefined)
        throw new LabError('lab.topology', `pod ${pod.name} names a node or VRF that is not there`)
      return pod.addresses.map((address) => ({ node, vrf: pod.vrf, prefix: hostPrefix(address), rd: labRd(owner, vrf), owner: owner.name }))
    }),
    ...topology.external.map(({ vrf: name, prefix }) => {
      const vrf = vrfOf(name)
      if (vrf === undefined) throw new LabError('lab.topology', `route ${prefix} names a VRF that is not there`)
      return { node, vrf: name, prefix, rd: labRd(topology.gateway, vrf), owner: topology.gateway.name }
    }),
  ])
}

async function missingRoutes(lab: Lab, topology: LabTopology, wanted: readonly ExpectedRoute[]): Promise<readonly ExpectedRoute[]> {
  const tables = new Map<string, readonly RouteRow[]>()
  for (const { name } of topology.nodes) tables.set(name, await lab.routes(name).catch(() => []))
  return wanted.filter(
    ({ node, vrf, prefix, rd }) =>
      !(tables.get(node) ?? []).some((row) => row.vrf === vrf && row.prefix === prefix && row.rd === rd && row.best && row.installed),
  )
}

async function meetPair(lab: Lab, from: LabPod, to: LabPod, address: string): Promise<PairResult> {
  const { rttMs } = await lab.ping(from, address, 1)
  const answeredBy = await lab.whoIs(from, address)
  // Where nothing answers, a stream would wait for long, and tell nothing that is not told already.
  const bits = from.name < to.name && answeredBy !== undefined ? await lab.throughput(from, address, 200) : undefined
  return {
    vrf: from.vrf,
    from: from.name,
    to: to.name,
    address,
    rttMs: rttMs ?? null,
    answeredBy: answeredBy ?? null,
    megabitsPerSecond: bits === undefined ? null : bits / 1e6,
  }
}

async function dropsFor(lab: Lab, node: string, reason: string): Promise<number> {
  return (await lab.drops(node)).find((row) => row.reason === reason)?.packets ?? 0
}

function podNamed(topology: LabTopology, name: string): LabPod {
  const pod = topology.pods.find((candidate) => candidate.name === name)
  if (pod === undefined) throw new LabError('lab.topology', `there is no pod ${name}`)
  return pod
}

/** Whether the peer says of a route what a node's table says. */
function sameRoute(theirs: PeerView['routes'][number], ours: RouteRow, { nodes }: LabTopology): boolean {
  const owner = nodes.find(({ address }) => ours.rd.startsWith(`${address}:`))
  return (
    theirs.label === ours.label &&
    String(IpAddress.tryParse(theirs.nextHop)?.unmapped()) === (ours.nextHop ?? owner?.address) &&
    theirs.routeTargets.toSorted().join() === ours.routeTargets.toSorted().join()
  )
}

function describeRoute({ node, vrf, rd, prefix }: ExpectedRoute): string {
  return `${rd} ${prefix} in ${vrf} of ${node}`
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}
