// npm run bench:bgp
import { runBench } from '../harness/run.ts'
import { codec } from './codec/codec.ts'
import { bird } from './daemon/bird.ts'
import { frr } from './daemon/frr.ts'
import { gobgp } from './daemon/gobgp.ts'
import { heddle } from './daemon/heddle.ts'
import { fanOut } from './fan-out/fan-out.ts'
import { scale } from './scale/scale.ts'
import { reflect, type Participant } from './reflect/reflect.ts'

const FULL = 1_000_000
const QUICK = 100_000

/** Those that are slow are measured less often, or the bench would be about them. */
function participants(quick: boolean): Participant[] {
  if (quick) return [heddle, bird, frr, gobgp].map((reflector) => ({ reflector, rounds: 1 }))
  return [
    { reflector: heddle, rounds: 3 },
    { reflector: bird, rounds: 3 },
    { reflector: frr, rounds: 1, note: 'one round: it takes more than a minute' },
    { reflector: gobgp, rounds: 1, last: 'reflect', note: 'one round of the first step: it takes minutes for each' },
  ]
}

await runBench({
  name: 'bgp',
  title: 'BGP',
  about: `A route reflector between peers on the loopback interface. A process of its own injects octets that were encoded before; another takes in what is
reflected, and judges the table that arrives after each step: prefix, label, next hop, and every path attribute, as they were announced, with
ORIGINATOR_ID and CLUSTER_LIST of the reflection. Neither uses code of Heddle.`,
  parts: [
    {
      id: 'vpnv4',
      title: 'Reflecting VPNv4 routes',
      about: `1M host routes (100k in a quick run) of 1,000 VPNs behind 2,000 next hops, 1–39 routes (20 on average) with the same path attributes, a label each.`,
      run: (context) => reflect('vpnv4', context.quick ? QUICK : FULL, participants(context.quick), context),
    },
    {
      id: 'ipv4',
      title: 'Reflecting IPv4 routes',
      about: `1M routes (100k in a quick run) like an Internet table: prefix lengths as there, about six routes with the same path attributes, heavy-tailed (half of the sets have one route, the
largest thousands), AS paths, communities, large communities and MED in the mix.`,
      run: (context) => reflect('ipv4', context.quick ? QUICK : FULL, participants(context.quick), context),
    },
    {
      id: 'scale',
      title: 'Cost of a route by the size of the table',
      about:
        'VPNv4 routes as above, from the first byte in to the last route out, in tables of 100k to 2M (20k and 100k in a quick run), a new process for each.',
      run: scale,
    },
    {
      id: 'fan-out',
      title: 'Fan-out to 200 peers',
      about: `100k VPNv4 routes of one peer to 200 others (10k to 50 in a quick run), whose sessions one process has. The table of each is judged. How many UPDATEs
were packed is what \`heddle show bgp metrics\` says, and how many there are is counted from what the peers were sent.`,
      run: fanOut,
    },
    {
      id: 'codec',
      title: 'The codec alone',
      about: `\`walkUpdate\` with \`visitNlri\`, \`decodeMessage\` and \`packUpdates\` over UPDATEs of VPNv4 routes: full ones with some 250 routes each, and those of
the workload above, which end with their set after 20 routes on average.`,
      run: codec,
    },
  ],
})
