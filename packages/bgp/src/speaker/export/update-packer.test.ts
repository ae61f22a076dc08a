import { ValueError } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_MESSAGE_SIZE } from '../../iana.js'
import { messagesIn } from '../../message/header.js'
import { packUpdates, packWithdrawals } from '../../message/pack.js'
import type { Nlri } from '../../nlri/nlri.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable } from '../../rib/rib-table.js'
import { nextHop, nlri, pathAttributes, typedFamily } from '../../testing/index.js'
import { ExportBundles } from './export-bundles.js'
import { UpdatePacker } from './update-packer.js'

const PEERS = Uint32Array.of(1)

/** What is withdrawn from columns: several labels would be read as one and a prefix, or as none (RFC 8277 §2.4). */
const unlabeled = (entry: Nlri): Nlri => ('labels' in entry && entry.labels.length > 1 ? { ...entry, labels: [] } : entry)

const routes = fc
  .record({ family: typedFamily, addPath: fc.boolean(), asn4: fc.boolean(), extended: fc.boolean() })
  .chain(({ family, ...options }) =>
    fc.record({
      family: fc.constant(family),
      options: fc.constant(options),
      attributes: pathAttributes,
      nextHop: fc.option(nextHop(family), { nil: undefined }),
      nlri: fc.array(nlri(family, { addPath: false, withdraw: false }), { minLength: 1, maxLength: 20 }),
    }),
  )

test('what is packed from columns and interned octets is what is packed from values', () => {
  fc.assert(
    fc.property(routes, ({ family, options, attributes, nextHop, nlri }) => {
      const { addPath, ...rest } = options
      const encode = { ...rest, addPath: new Set(addPath ? [family.key] : []) }
      const { nextHop: _own, ...own } = attributes
      const value = { attributes: own, ...(nextHop === undefined ? {} : { nextHop }) }
      const table = new RibTable(family, new AttributeSets())
      const set = table.sets.intern(value)
      const failures: ValueError[] = []
      const packer = new UpdatePacker(table, encode, (error) => failures.push(error))
      const announced = new ExportBundles(table, addPath)
      const withdrawn = new ExportBundles(table, addPath)
      const expected = nlri.map((entry, at) => {
        const key = table.newKey()
        table.key.fromNlri(entry, key)
        table.sets.retain(set)
        const path = table.announce(1, key, at, table.key.dataFromNlri(entry), set)
        const place = [table.destinationOf(path), at, table.dataOf(path)] as const
        announced.add(set, PEERS, ...place)
        withdrawn.add(0, PEERS, ...place)
        return { ...entry, ...(addPath ? { pathId: at } : {}) }
      })
      const octets = (messages: readonly Uint8Array[]): string[] => messages.map((message) => Buffer.from(message).toString('hex'))
      const packed = packer.pack(announced, announced.finish())
      const messages = messagesIn(packed.finish())
      expect(packed.count).toBe(messages.length)
      expect(octets(messagesIn(packer.pack(withdrawn, withdrawn.finish()).finish()))).toEqual(
        octets(packWithdrawals(family, expected.map(unlabeled), encode)),
      )
      for (const [at, message] of messages.entries()) {
        expect(message.length).toBeLessThanOrEqual(options.extended ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard)
        if (at > 0) expect(message.byteOffset).toBe(messages[at - 1].byteOffset + messages[at - 1].length)
      }
      if (failures.length > 0) {
        expect(() => packUpdates({ family, ...value, nlri: expected }, encode)).toThrow(ValueError)
        return
      }
      expect(octets(messages)).toEqual(octets(packUpdates({ family, ...value, nlri: expected }, encode)))
    }),
    { numRuns: 1000 },
  )
})
