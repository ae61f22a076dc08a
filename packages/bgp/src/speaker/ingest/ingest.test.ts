import { mutated, updateMessage } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeMessage, encodeMessage } from '../../decode.js'
import { messageToJson } from '../../message/json.js'
import type { DecodeOptions } from '../../message/options.js'
import { withdrawMalformed } from '../../message/update.js'
import type { UpdateMessage } from '../../message/message.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable } from '../../rib/rib-table.js'
import { Ingest } from './ingest.js'

/** What names a route, or `undefined` for kinds whose key is not simply the whole of it. */
function nameOf({ name }: Family, nlri: Nlri): string | undefined {
  const id = 'pathId' in nlri ? (nlri.pathId ?? 0) : 0
  switch (nlri.kind) {
    case 'unicast':
    case 'labeled-unicast':
      return `${name} ${nlri.prefix} ${id}`
    case 'vpn':
      return `${name} ${nlri.rd} ${nlri.prefix} ${id}`
    case 'rtc':
      return `${name} ${nlri.length} ${nlri.originAs} ${nlri.high} ${nlri.low} ${id}`
    default:
      return undefined
  }
}

const labelsOf = (nlri: Nlri): string => ('labels' in nlri ? nlri.labels.join('/') : '')
/** The message in a buffer that has others before and behind it, which nothing of it must be read from. */
const between = (message: Uint8Array): Uint8Array => Uint8Array.of(...new Uint8Array(BEFORE).fill(0xff), ...message, 0xff, 0xff, 0xff)
const BEFORE = 41

/** Attributes in no order: a damaged message has them in any, a table in its own. */
function json(value: UpdateMessage): string {
  const { attributes, ...rest } = messageToJson(value) as { readonly attributes: object }
  return JSON.stringify([rest, Object.entries(attributes).toSorted(([one], [other]) => (one < other ? -1 : 1))])
}

test.each([false, true])('the tables hold what the messages say, however damaged (ADD-PATH %s)', (addPath) => {
  const options: DecodeOptions = { peerType: 'ibgp', extended: true, ...(addPath ? { addPath: 'all' } : {}) }
  const whole = updateMessage({ addPath }).map((message) => encodeMessage(message, { ...options, extended: true }))
  // the same message again and again, so that what was kept of the last one is used
  const stream = fc.array(
    fc.tuple(fc.oneof({ weight: 2, arbitrary: whole }, { weight: 3, arbitrary: whole.chain(mutated) }), fc.integer({ min: 1, max: 2 })),
    {
      maxLength: 8,
    },
  )
  fc.assert(
    fc.property(stream, (entries) => {
      const sets = new AttributeSets()
      const tables = new Map<number, RibTable>()
      const tableOf = (family: Family): RibTable => {
        const table = tables.get(family.key) ?? new RibTable(family, sets)
        tables.set(family.key, table)
        return table
      }
      const ingest = new Ingest({
        peer: 1,
        options,
        rules: { self: { as: 65000, routerId: 1, clusterId: 1 }, peer: '192.0.2.2', peerAs: 65000, peerType: 'ibgp' },
        tableOf,
      })
      const model = new Map<string, string>()
      for (const bytes of entries.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))) {
        const result = decodeMessage(bytes, options)
        if (result.ok && result.message.type !== 'update') continue
        if (!result.ok && result.error.code.startsWith('bgp.header')) continue // the framer keeps it away
        if (bytes[18] !== 2) continue
        const taken = ingest.take(between(bytes), BEFORE, BEFORE + bytes.length)
        if (!result.ok) {
          // of several errors the two find another one first
          expect(taken.reset).toMatchObject({ handling: 'session-reset', notification: { code: result.error.notification?.code } })
          expect(taken.touched).toEqual([])
          continue
        }
        expect(taken.reset).toBeUndefined()
        expect(taken.errors.map(({ code, handling }) => `${code} ${handling}`)).toEqual(
          result.errors.map(({ code, handling }) => `${code} ${handling}`),
        )
        if (result.message.type !== 'update') continue
        const { withdrawn, announced, attributes } = withdrawMalformed(result.message, result.errors)
        expect(taken.endOfRib?.key).toBe(result.message.endOfRib?.key)
        for (const { family, nlri } of withdrawn) for (const one of nlri) model.delete(nameOf(family, one) ?? '')
        const { nextHop: _own, ...rest } = attributes
        const text = json({ type: 'update', withdrawn: [], announced: [], attributes: rest })
        for (const { family, nlri, nextHop } of announced) {
          for (const one of nlri) {
            const name = nameOf(family, one)
            if (name !== undefined) model.set(name, `${labelsOf(one)} ${JSON.stringify(nextHop ?? null)} ${text}`)
          }
        }
      }
      ingest.apply()
      const held = new Map<string, string>()
      for (const table of tables.values()) {
        for (const path of table.peerPaths(1)) {
          const nlri = table.nlriOf(path)
          const name = nameOf(table.family, addPath ? { pathId: 0, ...nlri } : nlri)
          if (name === undefined) continue
          const { attributes, nextHop } = sets.get(table.setOf(path))
          const text = json({ type: 'update', withdrawn: [], announced: [], attributes })
          held.set(name, `${labelsOf(nlri)} ${JSON.stringify(nextHop ?? null)} ${text}`)
        }
      }
      expect(held).toEqual(model)
      for (const table of tables.values()) table.removePeer(1)
      for (const table of tables.values())
        table.decide(
          Infinity,
          () => 0,
          () => undefined,
        )
      expect([...tables.values()].map(({ size, key }) => [size, key.octets])).toEqual([...tables.values()].map(() => [0, 0]))
      expect(sets.size).toBe(0)
    }),
    { numRuns: 400 },
  )
})
