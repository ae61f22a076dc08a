import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MESSAGE_TYPE } from '../../iana.js'
import { frameMessage, messagesIn } from '../../message/header.js'
import { Outbox } from './outbox.js'

const PIECE = 64 << 10

const message = fc
  .tuple(fc.oneof(fc.nat(200), fc.constantFrom(4077, 65_516)), fc.nat(255))
  .map(([size, octet]) => frameMessage(MESSAGE_TYPE.update, new Uint8Array(size).fill(octet)))
const run = fc.array(message, { maxLength: 40 }).map((messages) => new Uint8Array(Buffer.concat(messages)))
const step = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), run }),
  fc.record({ kind: fc.constant('pump' as const), writes: fc.nat(4) }),
)

test('a connection gets every octet in its order, in pieces of whole messages, and no more than it takes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const session = {
        room: 0,
        pieces: [] as Uint8Array[],
        get blocked() {
          return this.room === 0
        },
        write(piece: Uint8Array) {
          this.room--
          this.pieces.push(piece)
          return this.room > 0
        },
      }
      const outbox = new Outbox(session)
      const runs: Uint8Array[] = []
      for (const one of [...steps, { kind: 'pump' as const, writes: Infinity }]) {
        if (one.kind === 'push') {
          outbox.push(one.run)
          runs.push(one.run)
        } else {
          session.room = one.writes
          const written = session.pieces.length
          expect(outbox.pump()).toBe(session.pieces.length > written)
        }
        const queued = runs.reduce((sum, { length }) => sum + length, 0)
        const written = session.pieces.reduce((sum, { length }) => sum + length, 0)
        expect([outbox.queued, outbox.written, outbox.octets]).toEqual([queued, written, queued - written])
      }
      expect(Buffer.concat(session.pieces).equals(Buffer.concat(runs))).toBe(true)
      for (const piece of session.pieces) {
        const lengths = messagesIn(piece).map(({ length }) => length)
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(piece.length)
        expect(lengths.length === 1 || piece.length <= PIECE).toBe(true)
      }
    }),
  )
})
