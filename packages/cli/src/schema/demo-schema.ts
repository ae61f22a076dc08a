import type { DemoReport } from '../lab/report.js'
import { arrayOf, closed, count, document, nullable, text, texts, type JsonSchema } from './json-schema.js'
import { rowSchemas, type RowSchema } from './view-schemas.js'

const number: JsonSchema = { type: 'number', minimum: 0 }

const report: RowSchema<DemoReport> = {
  kind: { type: 'string', enum: ['real', 'memory'] },
  description: text,
  missing: texts,
  topology: text,
  sessions: arrayOf(closed({ node: text, ...rowSchemas.neighbors })),
  routes: arrayOf(closed({ node: text, ...rowSchemas.routes })),
  pairs: arrayOf(
    closed({
      vrf: text,
      from: text,
      to: text,
      address: text,
      rttMs: nullable(number),
      answeredBy: nullable(text),
      megabitsPerSecond: nullable(number),
    }),
  ),
  isolation: closed({ from: text, to: text, node: text, reason: text, before: count, after: count }),
  convergence: arrayOf(closed({ event: text, milliseconds: number })),
  peer: nullable(
    closed({
      software: text,
      routes: arrayOf(closed({ rd: text, prefix: text, label: nullable(count), nextHop: text, routeTargets: texts })),
      text,
    }),
  ),
  capture: nullable(
    closed({
      file: text,
      packets: count,
      dissected: count,
      labels: arrayOf(closed({ label: count, destination: text, packets: count })),
      naked: count,
    }),
  ),
  checks: arrayOf(closed({ name: text, status: { type: 'string', enum: ['passed', 'failed', 'not-applicable'] }, detail: text })),
  verdict: { type: 'string', enum: ['passed', 'failed'] },
  seconds: number,
}

/** What `npm run demo` writes to `out/demo.json`. */
export const demoSchema: JsonSchema = document('demo', 'Report of npm run demo', closed(report))
