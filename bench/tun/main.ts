import { runBench } from '../harness/run.ts'
import { continuity } from './continuity.ts'
import { engine } from './engine.ts'
import { features } from './features.ts'
import { latency } from './latency.ts'
import { packets } from './packets.ts'
import { tcp } from './tcp.ts'

await runBench({
  name: 'tun',
  title: 'The userspace virtual router',
  about: `The dataplane of \`@heddle/dataplane-tun\` against kernel VXLAN, kernel routing without a tunnel, and a minimal forwarder of the same shape in C
(\`bench/tun/native/forwarder.c\`): one run, contenders interleaved in rounds. Ratios carry over to other machines; figures do not.`,
  parts: [tcp, packets, latency, features, engine, continuity],
})
