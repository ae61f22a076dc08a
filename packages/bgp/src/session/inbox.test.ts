import fc from 'fast-check'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { MESSAGE_TYPE } from '../iana.js'
import { frameMessage } from '../message/header.js'
import { Inbox } from './inbox.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const update = fc.uint8Array({ minLength: 4, maxLength: 60 }).map((body) => frameMessage(MESSAGE_TYPE.update, body))

/** What comes of one chunk: messages, of which some are for others and not for the inbox. */
const chunk = fc.array(fc.record({ message: update, isFor: fc.boolean() }), { maxLength: 6 })
const step = fc.oneof(
  fc.record({ kind: fc.constant('chunk' as const), chunk }),
  fc.record({ kind: fc.constant('end' as const), message: fc.string() }),
  fc.record({ kind: fc.constant('shift' as const), count: fc.nat(8) }),
)

test('what was put in comes out in its order, whatever stands in one buffer', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const inbox = new Inbox()
      const waiting: { readonly text: string; readonly octets: number }[] = []
      const shift = (): void => {
        const item = inbox.shift()
        const text =
          item?.kind === 'message' ? hex(item.bytes.subarray(item.from, item.to)) : item?.kind === 'end' ? item.message : item?.kind
        expect(text).toBe(waiting.shift()?.text)
      }
      for (const one of steps) {
        if (one.kind === 'shift') for (let at = 0; at < one.count; at++) shift()
        else if (one.kind === 'end') {
          inbox.push({ kind: 'end', message: one.message })
          waiting.push({ text: one.message, octets: 0 })
        } else {
          const bytes = new Uint8Array(Buffer.concat(one.chunk.map(({ message }) => message)))
          let from = 0
          for (const { message, isFor } of one.chunk) {
            if (isFor) {
              inbox.pushMessage(bytes, from, from + message.length)
              waiting.push({ text: hex(message), octets: message.length })
            }
            from += message.length
          }
        }
        expect(inbox.octets).toBe(waiting.reduce((sum, { octets }) => sum + octets, 0))
        expect(inbox.empty).toBe(waiting.length === 0)
      }
      while (waiting.length > 0) shift()
      expect(inbox.shift()).toBeUndefined()
    }),
  )
})

test('what has been taken is let go, however much still waits', async () => {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const inbox = new Inbox()
  const reads: WeakRef<Uint8Array>[] = []
  const put = (): void => {
    const bytes = frameMessage(MESSAGE_TYPE.update, new Uint8Array(100))
    reads.push(new WeakRef(bytes))
    inbox.pushMessage(bytes, 0, bytes.length)
  }
  for (let read = 0; read < 100; read++) put()
  for (let read = 0; read < 90; read++) inbox.shift()
  await new Promise((resolve) => setImmediate(resolve)) // what a WeakRef was made of lives as long as its turn
  gc()
  expect(reads.filter((read) => read.deref() !== undefined).length).toBeLessThan(15) // it kept all 100
  expect(inbox.empty).toBe(false)
})
