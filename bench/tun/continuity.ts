import { RouteBatch } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Measure } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { NAMES, NODE, POD, layOut, other, type Site } from './contender.ts'
import { sendDatagrams } from './datagrams.ts'
import { Namespaces } from './namespaces.ts'
import { softwareOf } from './software.ts'
import { pidOf, siteTransaction } from './start.ts'

/** Datagrams a second, and how long they are sent. */
const RATE = 2000
const SECONDS = 3

type Disturbance = 'route' | 'agent' | 'upgrade' | 'kill'

const TITLES: Readonly<Record<Disturbance, string>> = {
  route: 'Lost while its route changes 1,000 times',
  agent: 'Lost when the agent is killed and another takes its place',
  upgrade: 'Lost when the forwarder is succeeded by a new process',
  kill: 'Gap when the forwarder is killed and a new one is programmed',
}

/** What is lost when something happens under traffic. */
export const continuity: Part = {
  id: 'continuity',
  title: 'What is lost when something happens',
  about: `${RATE} datagrams a second from pod to pod for ${SECONDS} s; in their middle one thing happens at the sender's node. Lost is what was sent and did not arrive.`,
  async run({ quick, progress, signal }) {
    const rounds = quick ? 1 : 3
    const rows = new Map<Disturbance, number[]>()
    for (let round = 0; round < rounds; round++) {
      for (const what of ['route', 'agent', 'upgrade', 'kill'] as const) {
        signal.throwIfAborted()
        const lost = await lostBy(what)
        const figure = what === 'kill' ? (lost / RATE) * 1000 : lost
        rows.set(what, [...(rows.get(what) ?? []), figure])
        progress(`${TITLES[what]}: ${figure}`)
      }
    }
    const measures = Array.from(rows, ([what, figures]): Measure => ({
      id: what,
      title: TITLES[what],
      unit: what === 'kill' ? 'ms' : 'packets',
      better: 'lower',
      series: [{ name: NAMES.heddle, rounds: figures }],
      goals: what === 'kill' ? [] : [{ kind: 'at-most', limit: 0 }],
    }))
    return { software: softwareOf([{ name: NAMES.heddle }]), measures }
  },
}

async function lostBy(what: Disturbance): Promise<number> {
  using namespaces = new Namespaces()
  layOut(namespaces)
  const open = (site: Site, upgrade = false): Promise<TunDataplane> =>
    tunDataplane({
      addresses: [IpAddress.parse(NODE[site])],
      underlayNetns: namespaces.path(`node-${site}`),
      stateDir: join(namespaces.state, site),
      upgrade,
    })
  const program = async (dataplane: TunDataplane, site: Site): Promise<void> => {
    await dataplane.apply(siteTransaction(site))
    const addresses = [IpAddress.parse(POD[site])]
    await dataplane.attachPort(1, { netns: namespaces.path(`pod-${site}`), ifname: 'eth0', addresses, mtu: 1468 })
  }
  const far = await open('b')
  let near = await open('a')
  try {
    await program(far, 'b')
    await program(near, 'a')
    namespaces.run('pod-a', `ping -q -c 2 -i 0.1 -W 2 ${POD.b}`)
    const { figures } = await sendDatagrams(namespaces, RATE, SECONDS)
    await sleep(800)
    if (what === 'route') for (let change = 0; change < 1000; change++) await near.apply(otherRoute(change))
    if (what === 'agent') {
      await near.close({ keep: true })
      await killAgent(namespaces, join(namespaces.state, 'a'))
      near = await open('a')
    }
    if (what === 'upgrade') {
      await near.close({ keep: true })
      near = await open('a', true)
    }
    if (what === 'kill') {
      process.kill(pidOf(near), 'SIGKILL')
      await near.close().catch(() => undefined)
      near = await open('a')
      await program(near, 'a')
    }
    const { sent, arrived } = await figures
    return sent - arrived
  } finally {
    await near.close()
    await far.close()
  }
}

/** Moves the way to the other pod from one next hop to an equal one, made before the other is broken. */
function otherRoute(change: number): ReturnType<typeof siteTransaction> {
  const id = 10 + (change & 1)
  const none = { set: [], remove: [] }
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse(`${POD[other.a]}/32`), id)
  const { nextHops, ...rest } = siteTransaction('a')
  return {
    ...rest,
    generation: 2 + change,
    vrfs: none,
    ports: none,
    tunnelSources: none,
    labels: none,
    nextHops: { set: [{ ...nextHops.set[1], id }], remove: [] },
    groups: { set: [{ id, members: [{ nextHop: id, weight: 1 }], seed: 1 }], remove: [] },
    routes,
  }
}

/** Starts an agent that takes control of the forwarder, and kills it. */
async function killAgent(namespaces: Namespaces, stateDir: string): Promise<void> {
  const argument = JSON.stringify({ address: NODE.a, underlayNetns: namespaces.path('node-a'), stateDir })
  const agent = spawn(process.execPath, [fileURLToPath(new URL('agent-process.ts', import.meta.url)), argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(agent.stdout, 'data')
  agent.kill('SIGKILL')
  await once(agent, 'exit')
}
