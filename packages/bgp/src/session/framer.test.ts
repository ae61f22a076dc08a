import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MESSAGE_TYPE } from '../iana.js'
import { frameMessage } from '../message/header.js'
import { Framer } from './framer.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const message = fc.oneof(
  fc.constant(frameMessage(MESSAGE_TYPE.keepalive, new Uint8Array())),
  fc.uint8Array({ minLength: 4, maxLength: 200 }).map((body) => frameMessage(MESSAGE_TYPE.update, body)),
)

function framed(chunks: readonly Uint8Array[]): { messages: string[]; errors: string[] } {
  const framer = new Framer()
  const messages: string[] = []
  const errors: string[] = []
  const output = {
    message: (bytes: Uint8Array, type: number) => messages.push(`${type} ${hex(bytes)}`),
    error: ({ code }: { code: string }) => errors.push(code),
  }
  for (const chunk of chunks) framer.push(chunk, output)
  return { messages, errors }
}

function cut(stream: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b)
  return [...places, stream.length].map((end, index) => stream.subarray(places[index - 1] ?? 0, end))
}

test('the same messages come out wherever the stream is cut, up to where it is no stream of messages', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.nat(2000), { maxLength: 12 }),
      fc.boolean(),
      (messages, places, broken) => {
        const stream = new Uint8Array(Buffer.concat([...messages, broken ? new Uint8Array(40) : new Uint8Array()]))
        const expected = { messages: messages.map((bytes) => `${bytes[18]} ${hex(bytes)}`), errors: broken ? ['bgp.header.marker'] : [] }
        expect(framed(cut(stream, places))).toEqual(expected)
        expect(framed(Array.from(stream, (octet) => Uint8Array.of(octet)))).toEqual(expected)
      },
    ),
  )
})
