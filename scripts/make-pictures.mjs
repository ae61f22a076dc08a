// Draws docs/images/topology.svg and docs/images/demo.svg from out/demo.json, so that the README shows what a demo really printed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/packages.mjs'

const source = join(root, 'out', 'demo.json')
if (!existsSync(source)) {
  console.error('out/demo.json is not there: run the demo first (npm run demo)')
  process.exit(2)
}
const report = JSON.parse(readFileSync(source, 'utf8'))
const images = join(root, 'docs', 'images')
mkdirSync(images, { recursive: true })
writeFileSync(join(images, 'topology.svg'), topology())
writeFileSync(join(images, 'demo.svg'), terminal())
console.log('docs/images/topology.svg, docs/images/demo.svg')

/** @param {string} text */
function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function topology() {
  const nodes = [...new Set(report.sessions.map((/** @type {any} */ row) => row.node))]
  const [gateway] = report.sessions.map((/** @type {any} */ row) => row.address)
  const pods = (/** @type {string} */ node) => {
    const own = new Map()
    for (const { vrf, prefix, node: owner, peer, nextHop } of report.routes)
      if (owner === node && (peer === 'local' || nextHop === null) && !prefix.includes(':')) own.set(`${vrf} ${prefix}`, { vrf, prefix })
    return [...own.values()].sort((a, b) => (a.vrf === b.vrf ? a.prefix.localeCompare(b.prefix) : b.vrf.localeCompare(a.vrf)))
  }
  const colors = { red: '#c0392b', blue: '#2471a3' }
  const width = 220
  const gap = 20
  const boxes = [...nodes.map((name, index) => node(String(name), index)), gw(nodes.length)]
  const total = (nodes.length + 1) * (width + gap) + gap
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} 330" font-family="ui-sans-serif, system-ui, sans-serif" font-size="14" role="img" aria-label="Two VRFs with the same addresses, stretched between a cloud and a data centre">
<rect width="${total}" height="330" fill="#ffffff"/>
<rect x="${gap / 2}" y="10" width="${2 * (width + gap)}" height="215" rx="12" fill="#eef5fb"/><text x="${gap}" y="30" fill="#55606b">cloud</text>
<rect x="${2 * (width + gap) + gap / 2 + 6}" y="10" width="${total - 2 * (width + gap) - gap - 6}" height="215" rx="12" fill="#f3f1ea"/><text x="${2 * (width + gap) + gap + 6}" y="30" fill="#55606b">data centre</text>
${boxes.join('\n')}
<rect x="${gap}" y="262" width="${total - 2 * gap}" height="40" rx="20" fill="#2d3436"/>
<text x="${total / 2}" y="287" fill="#ffffff" text-anchor="middle">provider network: plain IP, sees only node addresses — MPLS over UDP 6635 and BGP</text>
</svg>
`

  /** @param {string} name @param {number} index */
  function node(name, index) {
    const x = gap + index * (width + gap)
    const chips = pods(name).map(
      ({ vrf, prefix }, row) =>
        `<rect x="${x + 12}" y="${80 + row * 30}" width="${width - 24}" height="24" rx="6" fill="${colors[/** @type {'red'} */ (vrf)] ?? '#555555'}"/><text x="${x + 22}" y="${97 + row * 30}" fill="#ffffff">${escape(vrf)}  ${escape(prefix.replace('/32', ''))}</text>`,
    )
    return `<rect x="${x}" y="42" width="${width}" height="170" rx="10" fill="#ffffff" stroke="#2d3436"/><text x="${x + 12}" y="66" font-weight="600">${escape(name)}</text>${chips.join('')}<line x1="${x + width / 2}" y1="212" x2="${x + width / 2}" y2="262" stroke="#2d3436" stroke-width="2"/>`
  }

  /** @param {number} index */
  function gw(index) {
    const x = gap + index * (width + gap)
    return `<rect x="${x}" y="42" width="${width}" height="170" rx="10" fill="#ffffff" stroke="#2d3436"/><text x="${x + 12}" y="66" font-weight="600">gw</text><text x="${x + 12}" y="97">${escape(report.peer?.software ?? 'Heddle')}</text><text x="${x + 12}" y="122">BGP route reflector</text><text x="${x + 12}" y="147" fill="#55606b">${escape(gateway ?? '')}</text><line x1="${x + width / 2}" y1="212" x2="${x + width / 2}" y2="262" stroke="#2d3436" stroke-width="2"/>`
  }
}

/** The end of what the demo prints, as a terminal. */
function terminal() {
  const lines = [
    `$ npm run demo`,
    report.description,
    '',
    ...report.topology.split('\n'),
    '',
    ...report.checks.map(
      (/** @type {any} */ { name, status, detail }) => `${status === 'passed' ? '✓' : status === 'failed' ? '✗' : '–'} ${name}: ${detail}`,
    ),
    '',
    ...report.convergence.map(
      (/** @type {any} */ { event, milliseconds }) => `${String(Math.round(milliseconds)).padStart(6)} ms  ${event}`,
    ),
    '',
    `${report.verdict === 'passed' ? 'PASSED' : 'FAILED'} in ${report.seconds.toFixed(1)} s`,
  ].map((line) => (line.length > 128 ? `${line.slice(0, 127)}…` : line))
  const height = 24 + lines.length * 18
  const text = lines
    .map((line, index) => {
      const fill = /^(✓|PASSED)/.test(line)
        ? '#7bd88f'
        : /^(✗|FAILED)/.test(line)
          ? '#fc618d'
          : line.startsWith('$')
            ? '#fce566'
            : '#e6e6e6'
      return `<text x="14" y="${26 + index * 18}" fill="${fill}" xml:space="preserve">${escape(line)}</text>`
    })
    .join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1080 ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" role="img" aria-label="Output of the demo">
<rect width="1080" height="${height}" rx="8" fill="#222222"/>
${text}
</svg>
`
}
