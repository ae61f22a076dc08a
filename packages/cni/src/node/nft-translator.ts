import { spawn } from 'node:child_process'
import type { IpAddress, IpFamily } from '@heddle/wire'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { NodeAddressPair, NodeTranslator } from '../server/node-translator.js'

const TABLE = 'inet heddle_cni'

/**
 * Translates by nftables in this process' network namespace, statelessly and outside of connection tracking, which sees node addresses only: two
 * endpoints of one address in two VRFs are two to it. Changes are atomic. Needs the program `nft` (Debian: nftables) and Linux 5.2.
 *
 * @throws CniError 106 when `nft` is not there
 */
export async function nftTranslator(nft = 'nft'): Promise<NodeTranslator> {
  await run(nft, ['--version'], '')
  return {
    replace: async (pairs, gateways) => run(nft, ['-f', '-'], `${tableOf(gateways)}${elements('add', pairs)}`),
    add: async (pairs) => {
      if (pairs.length > 0) await run(nft, ['-f', '-'], elements('add', pairs))
    },
    // What is to go is added first, so that it is there: nftables refuses to delete what is not.
    remove: async (pairs) => {
      if (pairs.length > 0) await run(nft, ['-f', '-'], `${elements('add', pairs)}${elements('delete', pairs)}`)
    },
  }
}

/** Names of a family's header and address type. */
const WORDS = { 4: { header: 'ip', type: 'ipv4_addr' }, 6: { header: 'ip6', type: 'ipv6_addr' } } as const

/**
 * Before connection tracking on the way in (its fragments are joined by then), behind it on the way out. What others send through the node to an
 * endpoint, as for a port of the host, comes from the node's own address in the VRF, or no answer would find back.
 */
function tableOf(gateways: readonly IpAddress[]): string {
  const families = gateways.map(({ family }) => family)
  const maps = families.flatMap((family) => ['to', 'from'].map((way) => mapOf(way, family)))
  const rules = (way: 'to' | 'from'): string => families.map((family) => ruleOf(way, family)).join('\n    ')
  const hides = gateways.map((address) => {
    const { header } = WORDS[address.family]
    return `oifname "hdnode*" ${header} saddr != ${address} snat ${header} to ${address}`
  })
  return `table ${TABLE} {
}
delete table ${TABLE}
table ${TABLE} {
  ${maps.join('\n  ')}
  chain in {
    type filter hook prerouting priority -350; policy accept;
    ${rules('from')}
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname "hdnode*" drop
  }
  chain hide {
    type nat hook postrouting priority 100; policy accept;
    ${hides.join('\n    ')}
  }
  chain out {
    type filter hook postrouting priority 300; policy accept;
    ${rules('to')}
  }
}
`
}

function mapOf(way: string, family: IpFamily): string {
  return `map ${way}${family} {\n    type ifname . ${WORDS[family].type} : ${WORDS[family].type}\n  }`
}

function ruleOf(way: 'to' | 'from', family: IpFamily): string {
  const { header } = WORDS[family]
  const [device, field] = way === 'to' ? ['oifname', 'daddr'] : ['iifname', 'saddr']
  return `${header} ${field} set ${device} . ${header} ${field} map @${way}${family} accept`
}

function elements(verb: 'add' | 'delete', pairs: readonly NodeAddressPair[]): string {
  return pairs.map((pair) => elementsOf(verb, pair)).join('')
}

function elementsOf(verb: 'add' | 'delete', { device, endpoint, node }: NodeAddressPair): string {
  const family = node.family
  return (
    `${verb} element ${TABLE} to${family} { "${device}" . ${node} : ${endpoint} }\n` +
    `${verb} element ${TABLE} from${family} { "${device}" . ${endpoint} : ${node} }\n`
  )
}

async function run(file: string, words: readonly string[], input: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(file, words, { stdio: ['pipe', 'ignore', 'pipe'] })
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
    child.stdin.on('error', () => undefined) // it may end before it has read everything
    child.stdin.end(input)
    child.once('error', (cause) =>
      reject(new CniError(CNI_CODES.translation, `node addresses need the program ${file} (Debian: nftables)`, cause.message, { cause })),
    )
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new CniError(CNI_CODES.translation, `${file} did not take the translation of node addresses`, complaints.trim()))
    })
  })
}
