import { runBench } from '../harness/run.ts'
import { across } from './across.ts'
import { chain } from './chain.ts'
import { continuity } from './continuity.ts'
import { gateway } from './gateway.ts'
import { fib } from './fib.ts'
import { programs } from './programs.ts'
import { joins } from './joins.ts'
import { large } from './large.ts'
import { memory } from './memory.ts'
import { packets, tcp } from './traffic.ts'

await runBench({
  name: 'ebpf',
  title: 'The kernel virtual router',
  about: `The dataplane of \`@heddle/dataplane-ebpf\` against kernel VXLAN, kernel routing without a tunnel, and a minimal tc program of the same shape
(\`bench/ebpf/bpf/minimal.bpf.c\`): one run, contenders interleaved in rounds. Ratios carry over to other machines; figures do not.`,
  parts: [tcp, joins, large, packets, chain, gateway, programs, across, fib, memory, continuity],
})
