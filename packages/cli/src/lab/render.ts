import type { DemoReport, PairResult } from './report.js'
import type { LabTopology } from './topology.js'

/** The topology as a drawing for a terminal. */
export function renderTopology(topology: LabTopology): string {
  const box = (title: string, lines: readonly string[], width: number): string[] => [
    `┌${'─'.repeat(width)}┐`,
    ...[title, ...lines].map((line) => `│ ${line.padEnd(width - 1)}│`),
    `└${'─'.repeat(width)}┘`,
  ]
  const width = 26
  const boxes = [
    ...topology.nodes.map(({ name, address }) =>
      box(
        `${name}  ${address}`,
        topology.pods.filter(({ node }) => node === name).map((pod) => `  ${pod.name.padEnd(8)} ${pod.addresses[0] ?? ''}`),
        width,
      ),
    ),
    box(
      `${topology.gateway.name}  ${topology.gateway.address}`,
      ['  BGP route reflector', ...topology.external.map(({ prefix }) => `  ${prefix}`)],
      width,
    ),
  ]
  const height = Math.max(...boxes.map((lines) => lines.length))
  const padded = boxes.map((lines) => [
    ...lines.slice(0, -1),
    ...Array.from({ length: height - lines.length }, () => `│${' '.repeat(width)}│`),
    ...lines.slice(-1),
  ])
  const rows = Array.from({ length: height }, (_, row) => padded.map((lines) => lines[row]).join('  '))
  const total = boxes.length * (width + 4) - 2
  const stems = boxes.map(() => `${' '.repeat(width / 2)}│${' '.repeat(width / 2 + 1)}`).join('  ')
  const provider = ' provider network: plain IP, knows no tenant address '
  const left = Math.floor((total - provider.length) / 2)
  return [...rows, stems, `${'═'.repeat(left)}${provider}${'═'.repeat(total - left - provider.length)}`]
    .map((line) => line.trimEnd())
    .join('\n')
}

/** The report for a person. */
export function renderReport(report: DemoReport): string {
  return [
    heading('Topology'),
    report.topology,
    heading('Sessions'),
    table(
      ['node', 'neighbor', 'AS', 'state', 'families'],
      report.sessions.map(({ node, address, as, state, families }) => [node, address, String(as), state, families.join(' ')]),
    ),
    heading('Routes'),
    table(
      ['node', 'vrf', 'prefix', 'RD', 'RT', 'label', 'next hop', 'encapsulation'],
      report.routes
        .filter(({ best }) => best)
        .map(({ node, vrf, prefix, rd, routeTargets, label, nextHop, encapsulation }) => [
          node,
          vrf,
          prefix,
          rd,
          routeTargets.join(' '),
          String(label ?? ''),
          nextHop ?? 'local',
          encapsulation ?? '',
        ]),
    ),
    heading('Pods'),
    table(['vrf', 'from', 'to', 'address', 'ping', 'answered by', 'TCP'], report.pairs.map(pairRow)),
    heading('Isolation'),
    `${report.isolation.from} → ${report.isolation.to}: no answer; ${report.isolation.reason} on ${report.isolation.node}: ${report.isolation.before} → ${report.isolation.after}`,
    ...(report.peer === null ? [] : [heading(`What ${report.peer.software} says`), report.peer.text.trim()]),
    heading('Convergence'),
    table(
      ['event', 'time'],
      report.convergence.map(({ event, milliseconds }) => [event, `${Math.round(milliseconds)} ms`]),
    ),
    ...(report.capture === null
      ? []
      : [
          heading('On the wire'),
          `${report.capture.file}: ${report.capture.dissected} of ${report.capture.packets} packets are UDP 6635 → MPLS → IP`,
          table(
            ['label', 'sent to', 'packets'],
            report.capture.labels.map(({ label, destination, packets }) => [String(label), destination, String(packets)]),
          ),
        ]),
    heading('Verdict'),
    ...report.checks.map(
      ({ name, status, detail }) =>
        `${status === 'passed' ? '✓' : status === 'failed' ? '✗' : '–'} ${name}: ${status === 'not-applicable' ? 'not applicable, ' : ''}${detail}`,
    ),
    '',
    `${report.verdict === 'passed' ? 'PASSED' : 'FAILED'} on ${report.description} in ${report.seconds.toFixed(1)} s`,
  ].join('\n')
}

function pairRow({ vrf, from, to, address, rttMs, answeredBy, megabitsPerSecond }: PairResult): string[] {
  return [
    vrf,
    from,
    to,
    address,
    rttMs === null ? 'no answer' : `${rttMs.toFixed(2)} ms`,
    answeredBy ?? 'nobody',
    megabitsPerSecond === null ? '' : `${Math.round(megabitsPerSecond)} Mbit/s`,
  ]
}

function heading(text: string): string {
  return `\n── ${text} ${'─'.repeat(Math.max(0, 76 - text.length))}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
