import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { frr } from '../bgp/daemon/frr.ts'
import type { Measure } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { end, other, POD, type Site } from '../tun/contender.ts'
import { kernelCounters } from '../tun/counters.ts'
import { sendDatagrams } from '../tun/datagrams.ts'
import type { Namespaces } from '../tun/namespaces.ts'
import { NAMES, softwareOf } from './contender.ts'
import { anotherVersion } from './objects.ts'
import { Overlay, until } from './overlay.ts'

/** Datagrams a second. */
const RATE = 10_000
const IPERF_PORT = 5201
const UNDISTURBED = 'undisturbed'
/** Milliseconds that streams run before something happens, and behind; and that a node is without an agent. */
const AROUND = 1000
const NAMESPACES = ['reflector', 'node-a', 'node-b', 'pod-a', 'pod-b']

type Disturbance = 'kill' | 'upgrade'
const DISTURBANCES: readonly Disturbance[] = ['kill', 'upgrade']
const WHEN: Readonly<Record<Disturbance, string>> = {
  kill: 'agent killed and started again',
  upgrade: 'restarted with other programs',
}

/** What came of streams for a while. */
interface Figures {
  readonly sent: number
  /** Datagrams sent and not received, by those who send and receive. */
  readonly lost: number
  /** Datagrams a second. */
  readonly rate: number
  /** IP packets that one pod's kernel sent and the other's did not get, both ways: TCP's among them. */
  readonly missing: number
  /** Likewise octets. */
  readonly octets: number
  /** Packets that routers dropped, by any reason. */
  readonly dropped: number
  readonly segments: number
  readonly resent: number
  /** Segments that were sent again and that the receiver says (DSACK, RFC 2883) it had already. */
  readonly repeated: number
  /** Of TCP, Gbit/s. */
  readonly throughput: number
  readonly milliseconds: number
}

interface DisturbedFigures extends Figures {
  /** Routes that the reflector has kept, or did not, while their node had no agent. */
  readonly kept: number
  readonly withdrawn: number
}

export const continuity: Part = {
  id: 'continuity',
  title: 'What is lost when the agent is killed, and when the programs are replaced',
  about: `Two \`heddle node\` and FRR's bgpd as their reflector, joined by a bridge. From pod to pod ${RATE.toLocaleString('en-US')} datagrams a second, by the clock,
and a TCP stream of iperf3, as fast as it goes on what the machine has left. Meanwhile a node, the sender's and the receiver's in turn, is killed (\`kill -9\`), is without an agent for ${AROUND / 1000} s, and is started again; or it
is ended for a restart (SIGUSR2) and started with another version of the programs, the same sources compiled for size and for speed in turn. That is over when the reflector has
been told again all that it kept, and both nodes have each other's routes. Then the same streams run undisturbed for as long. Nothing has to be
lost for TCP to send a segment again: on a machine with more to do than it can, packets of a stream overtake each other between cores, whatever happens to a node, or their acknowledgments
are late, and the sender takes them for lost. Of those that it sends again, the receiver tells (DSACK, RFC 2883) which it had already.`,
  async run({ quick, progress, signal }) {
    const another = anotherVersion()
    const overlay = await Overlay.start()
    try {
      const objects: { [site in Site]?: string | undefined } = {}
      const disturbed: Record<Disturbance, DisturbedFigures[]> = { kill: [], upgrade: [] }
      const undisturbed: Record<Disturbance, Figures[]> = { kill: [], upgrade: [] }
      for (let round = 0; round < (quick ? 1 : 4); round++) {
        for (const what of DISTURBANCES) {
          signal.throwIfAborted()
          const site = round % 2 === 0 ? 'a' : 'b'
          if (what === 'upgrade') objects[site] = objects[site] === undefined ? another : undefined
          const figures = await disturb(overlay, site, what, objects[site], progress)
          disturbed[what].push(figures)
          progress(`node ${site}, ${WHEN[what]}: ${textOf(figures)}; ${figures.kept} routes kept, ${figures.withdrawn} withdrawn`)
          signal.throwIfAborted()
          const quiet = await underStreams(overlay, () => sleep(figures.milliseconds - 2 * AROUND), progress)
          undisturbed[what].push(quiet)
          progress(`undisturbed: ${textOf(quiet)}`)
        }
      }
      return { software: software(), measures: DISTURBANCES.flatMap((what) => measuresOf(what, disturbed[what], undisturbed[what])) }
    } finally {
      await overlay.close()
    }
  },
}

/** Ends the agent of a node and starts another one. */
async function disturb(
  overlay: Overlay,
  site: Site,
  what: Disturbance,
  object: string | undefined,
  progress: (text: string) => void,
): Promise<DisturbedFigures> {
  await using withdrawals = await overlay.withdrawals(other[site])
  const [programs, { routes }] = [await overlay.programs(site), overlay.reflected(site)]
  let kept = 0
  const figures = await underStreams(
    overlay,
    async () => {
      await overlay.endNode(site, what === 'kill' ? 'SIGKILL' : 'SIGUSR2')
      await until('the reflector has seen the session end', () => {
        const seen = overlay.reflected(site)
        kept = seen.stale
        return seen.stale === seen.routes
      })
      await sleep(AROUND)
      await overlay.startNode(site, object)
      await overlay.converged()
    },
    progress,
  )
  if (((await overlay.programs(site)) !== programs) !== (what === 'upgrade'))
    throw new Error(`the programs are not those meant: ${programs}`)
  return { ...figures, kept, withdrawn: routes - kept + withdrawals.count }
}

/** Has both streams run while something happens. */
async function underStreams(overlay: Overlay, happens: () => Promise<void>, progress: (text: string) => void): Promise<Figures> {
  const { namespaces } = overlay
  const [before, where] = [podCounters(namespaces), await losses(overlay)]
  const datagrams = await sendDatagrams(namespaces, RATE)
  // It complains of a client that ends before its time.
  const server = await namespaces.serve('pod-b', ['sh', '-c', `exec iperf3 -s -p ${IPERF_PORT} --forceflush 2>/dev/null`])
  const client = namespaces.start('pod-a', ['iperf3', '-c', POD.b, '-p', `${IPERF_PORT}`, '-t', '3600', '-i', '0'])
  const [begin, octets] = [performance.now(), tcpOctets(namespaces)]
  await sleep(AROUND)
  await happens()
  await sleep(AROUND)
  const milliseconds = performance.now() - begin
  const throughput = ((tcpOctets(namespaces) - octets) * 8) / milliseconds / 1e6
  if (client.exitCode !== null) throw new Error(`iperf3 ended with ${client.exitCode}`)
  await end(client)
  await end(server)
  datagrams.end()
  const { sent, arrived, seconds } = await datagrams.figures
  const after = podCounters(namespaces)
  const lost = sent - arrived
  const lostOf = (kind: keyof Counters['lost']): number => Math.abs(after.lost[kind] - before.lost[kind])
  const missing = lostOf('datagrams') + lostOf('others') + lostOf('back')
  const changes = changesOf(where, await losses(overlay))
  if (lost + missing > 0) progress(`lost at: ${changes.map(([name, count]) => `${name} ${count}`).join(', ') || 'no counter tells'}`)
  return {
    sent,
    lost,
    rate: sent / seconds,
    missing,
    octets: lostOf('octets') + lostOf('octetsBack'),
    dropped: changes.reduce((sum, [name, count]) => sum + (name.startsWith('router') ? count : 0), 0),
    segments: after.segments - before.segments,
    resent: after.resent - before.resent,
    repeated: after.repeated - before.repeated,
    throughput,
    milliseconds,
  }
}

/** What pods' kernels have counted. */
interface Counters {
  /**
   * What one has sent and the other not received: datagrams and all other IP packets of pod a, packets of pod b, and octets each way. One too many of a kind does not
   * make up for one too few of another.
   */
  readonly lost: Readonly<Record<'datagrams' | 'others' | 'back' | 'octets' | 'octetsBack', number>>
  /** TCP segments of pod a, those of them that it sent again, and those of these that pod b had. */
  readonly segments: number
  readonly resent: number
  readonly repeated: number
}

function podCounters(namespaces: Namespaces): Counters {
  const [a, b] = (['pod-a', 'pod-b'] as const).map((pod) => kernelCounters(namespaces, pod))
  const datagrams = a.get('Udp.OutDatagrams')!
  const arrived = b.get('Udp.InDatagrams')! + b.get('Udp.InErrors')! + b.get('Udp.NoPorts')!
  return {
    lost: {
      datagrams: datagrams - arrived,
      others: a.get('Ip.OutRequests')! - datagrams - (b.get('Ip.InReceives')! - arrived),
      back: b.get('Ip.OutRequests')! - a.get('Ip.InReceives')!,
      octets: a.get('IpExt.OutOctets')! - b.get('IpExt.InOctets')!,
      octetsBack: b.get('IpExt.OutOctets')! - a.get('IpExt.InOctets')!,
    },
    segments: a.get('Tcp.OutSegs')!,
    resent: a.get('Tcp.RetransSegs')!,
    repeated: a.get('TcpExt.TCPDSACKRecvSegs')!,
  }
}

/** Octets that pod b has of pod a, but for datagrams: those are of a known size. */
function tcpOctets(namespaces: Namespaces): number {
  const counters = kernelCounters(namespaces, 'pod-b')
  return counters.get('IpExt.InOctets')! - counters.get('Udp.InDatagrams')! * 64
}

/** Everything between sender and receiver that counts what it loses. */
async function losses(overlay: Overlay): Promise<ReadonlyMap<string, number>> {
  const { namespaces } = overlay
  const found = new Map<string, number>()
  for (const site of ['a', 'b'] as const)
    for (const [reason, packets] of await overlay.drops(site)) found.set(`router ${site}: ${reason}`, packets)
  found.set('full receive buffers of pod b', kernelCounters(namespaces, 'pod-b').get('Udp.RcvbufErrors')!)
  for (const short of NAMESPACES) {
    const links = JSON.parse(namespaces.run(short, 'ip -j -s link show')) as Link[]
    for (const { ifname, stats64 } of links)
      for (const [way, { dropped, errors }] of Object.entries(stats64)) found.set(`${short}: ${ifname} ${way}`, dropped + errors)
  }
  const backlogs = readFileSync('/proc/net/softnet_stat', 'utf8').trim().split('\n')
  found.set(
    'backlogs of processors',
    backlogs.reduce((sum, line) => sum + Number.parseInt(line.split(' ')[1], 16), 0),
  )
  return found
}

interface Link {
  readonly ifname: string
  readonly stats64: Readonly<Record<'rx' | 'tx', { readonly dropped: number; readonly errors: number }>>
}

function changesOf(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return Array.from(after, ([name, count]) => [name, count - (before.get(name) ?? 0)] as const).filter(([, change]) => change !== 0)
}

function textOf({ sent, lost, rate, missing, octets, dropped, segments, resent, repeated, throughput, milliseconds }: Figures): string {
  const streams = `${lost} of ${sent} datagrams lost at ${Math.round(rate)}/s, ${missing} packets and ${octets} octets missing, ${dropped} dropped`
  return `${streams}; TCP ${throughput.toFixed(2)} Gbit/s, ${resent} of ${segments} segments again, ${repeated} of them for nothing; ${(milliseconds / 1000).toFixed(1)} s`
}

function measuresOf(what: Disturbance, disturbed: readonly DisturbedFigures[], undisturbed: readonly Figures[]): Measure[] {
  const of = (id: string, title: string, figure: (figures: Figures) => number): Pick<Measure, 'id' | 'title' | 'series'> => ({
    id: `${what}-${id}`,
    title: `${title}, ${WHEN[what]}`,
    series: [
      { name: NAMES.heddle, rounds: disturbed.map(figure) },
      { name: UNDISTURBED, rounds: undisturbed.map(figure) },
    ],
  })
  const none = { better: 'lower', of: 'worst', goals: [{ kind: 'at-most', limit: 0 }] } as const
  const withdrawn = { name: NAMES.heddle, rounds: disturbed.map((figures) => figures.withdrawn) }
  return [
    { ...of('lost', 'Datagrams lost', ({ lost }) => lost), unit: 'packets', ...none },
    {
      ...of('rate', 'Datagrams sent', ({ rate }) => rate),
      unit: '/s',
      better: 'higher',
      of: 'worst',
      goals: [{ kind: 'at-least', limit: RATE * 0.99 }],
    },
    { ...of('missing', 'IP packets lost, those of TCP among them', ({ missing }) => missing), unit: 'packets', ...none },
    { ...of('octets', 'Octets lost, those of TCP among them', ({ octets }) => octets), unit: 'octets', ...none },
    { ...of('dropped', 'Packets dropped by routers', ({ dropped }) => dropped), unit: 'packets', ...none },
    { ...of('resent', 'TCP segments sent again', ({ resent }) => resent), unit: 'segments', better: 'lower' },
    {
      ...of('repeated', 'Of these, segments that the receiver had already', ({ repeated }) => repeated),
      unit: 'segments',
      better: 'lower',
    },
    { ...of('tcp', 'TCP', ({ throughput }) => throughput), unit: 'Gbit/s', better: 'higher' },
    { id: `${what}-withdrawn`, title: `Routes withdrawn, ${WHEN[what]}`, series: [withdrawn], unit: 'routes', ...none },
  ]
}

function software(): ReturnType<typeof softwareOf> {
  const [iperf] = execFileSync('iperf3', ['--version'], { encoding: 'utf8' }).split('\n')
  const [heddle] = softwareOf(['heddle'])
  return [
    { ...heddle, note: 'processes of `heddle node` with the dataplane `ebpf` and BFD among them, and else what they choose by themselves' },
    { ...heddle, name: UNDISTURBED, role: 'instrument', note: 'the same streams for as long, while nothing happens' },
    { name: frr.name, version: frr.version(), role: 'instrument', note: 'reflector, as it helps those that restart without being told to' },
    { name: 'iperf3', version: /[\d.]+/.exec(iperf)?.[0] ?? '', role: 'instrument' },
  ]
}
