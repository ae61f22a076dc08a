// Draws docs/images/topology.svg and docs/images/demo.svg from out/demo.json, so that the README shows what a demo really gave.
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

/** Sites, nodes and pods, as the routes of the report tell them. */
function topology() {
  const width = 244
  const gap = 20
  const inset = 12
  const colors = /** @type {Record<string, string>} */ ({ red: '#c0392b', blue: '#2471a3' })
  const nodes = /** @type {string[]} */ ([...new Set(report.sessions.map((/** @type {any} */ row) => row.node))])
  const [gateway] = report.sessions.map((/** @type {any} */ row) => row.address)
  // Boxes of the cloud, then, behind a wider gap, those of the data centre.
  const left = (/** @type {number} */ index) => 2 * gap + index * (width + gap) + (index >= 2 ? 2 * gap : 0)
  const total = left(nodes.length) + width + 2 * gap
  const own = (/** @type {string} */ node) => routesOf((row) => row.node === node && row.nextHop === null)
  const external = routesOf(({ nextHop }) => nextHop === gateway)
  const boxes = [
    ...nodes.map((name, index) => box(index, name, String(own(name)[0]?.rd).split(':')[0], [], own(name))),
    box(nodes.length, 'gw', gateway, [report.peer?.software ?? 'Heddle', 'BGP route reflector'], external),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} 292" font-family="ui-sans-serif, system-ui, sans-serif" font-size="14" role="img" aria-label="Two VRFs with the same addresses, stretched between a cloud and a data centre">
<rect width="${total}" height="292" fill="#ffffff"/>
${area(gap, left(1) + width, 'cloud', '#eef5fb')}
${area(left(2) - gap, left(nodes.length) + width, 'data centre', '#f3f1ea')}
${boxes.join('\n')}
<rect x="${gap}" y="232" width="${total - 2 * gap}" height="40" rx="20" fill="#2d3436"/>
<text x="${total / 2}" y="257" fill="#ffffff" text-anchor="middle">provider network: plain IP, sees only node addresses; MPLS over UDP 6635, BGP</text>
</svg>
`

  /** @param {(row: any) => boolean} wanted the IPv4 routes that it accepts, each once, those of red first */
  function routesOf(wanted) {
    const found = new Map()
    for (const row of report.routes) if (!row.prefix.includes(':') && wanted(row)) found.set(`${row.vrf} ${row.prefix}`, row)
    return [...found.values()].sort((a, b) => b.vrf.localeCompare(a.vrf) || a.prefix.localeCompare(b.prefix))
  }

  /** @param {number} from @param {number} to @param {string} name @param {string} fill */
  function area(from, to, name, fill) {
    return `<rect x="${from}" y="10" width="${to - from + gap}" height="190" rx="12" fill="${fill}"/><text x="${from + gap}" y="31" fill="#55606b">${name}</text>`
  }

  /** @param {number} index @param {string} name @param {string} address @param {string[]} lines @param {any[]} routes */
  function box(index, name, address, lines, routes) {
    const x = left(index)
    const top = 78 + lines.length * 26
    return [
      `<rect x="${x}" y="42" width="${width}" height="142" rx="10" fill="#ffffff" stroke="#2d3436"/>`,
      `<text x="${x + inset}" y="66" font-weight="600">${escape(name)}</text>`,
      `<text x="${x + width - inset}" y="66" fill="#55606b" text-anchor="end">${escape(address)}</text>`,
      ...lines.map((line, row) => `<text x="${x + inset}" y="${94 + row * 24}">${escape(line)}</text>`),
      ...routes.map(({ vrf, prefix, routeTargets }, row) => chip(x + inset, top + row * 30, vrf, prefix.replace('/32', ''), routeTargets)),
      `<line x1="${x + width / 2}" y1="184" x2="${x + width / 2}" y2="232" stroke="#2d3436" stroke-width="2"/>`,
    ].join('')
  }

  /** @param {number} x @param {number} y @param {string} vrf @param {string} prefix @param {string[]} targets */
  function chip(x, y, vrf, prefix, targets) {
    const end = x + width - 2 * inset
    return `<rect x="${x}" y="${y}" width="${end - x}" height="24" rx="6" fill="${colors[vrf] ?? '#555555'}"/><text x="${x + 10}" y="${y + 17}" fill="#ffffff">${escape(vrf)}</text><text x="${x + 50}" y="${y + 17}" fill="#ffffff">${escape(prefix)}</text><text x="${end - 8}" y="${y + 16}" fill="#ffffff" font-size="11" text-anchor="end">${escape(targets.join(' '))}</text>`
  }
}

/** The end of what the demo prints, as a terminal. */
function terminal() {
  const lines = [
    `$ npm run demo`,
    report.description.replace(/^Linux \S+:/, 'Linux:'), // whose kernel it was does not matter
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
