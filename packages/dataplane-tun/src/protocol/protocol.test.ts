import { DATAPLANE_FEATURES, DROP_REASONS, DataplaneError, type DataplaneState, type FibTransaction, type RouteBatch } from '@heddle/core'
import { arbitraryTables, stateOf, transition, EMPTY } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { FrameReader, MAX_FRAME_SIZE, MAX_GREETING_SIZE, encodeFrame, type Frame } from './frame.js'
import { decodeAnswer, decodeRequest, encodeEvent, encodeFailure, encodeReply, encodeRequest, resultFrom, type Request } from './message.js'
import { ProtocolError } from './protocol-error.js'

const around = {
  features: DATAPLANE_FEATURES,
  encapsulations: ['mpls-udp', 'mpls-gre', 'vxlan'] as const,
  underlays: [
    { local: IpAddress.parse('192.0.2.1'), peers: [11, 12, 13].map((host) => IpAddress.parse(`192.0.2.${host}`)) },
    { local: IpAddress.parse('2001:db8::1'), peers: [11, 12, 13].map((host) => IpAddress.parse(`2001:db8::${host}`)) },
  ],
}

/** The one frame in `bytes`. */
function frameOf(bytes: Uint8Array): Frame {
  const [frame, ...more] = [...new FrameReader().push(bytes)]
  expect(more).toEqual([])
  return frame
}

/** A transaction as plain data, so that only the rows of its routes count. */
function plain(transaction: FibTransaction): unknown {
  const { routes, ...rest } = transaction
  return { ...rest, routes: rowsOf(routes) }
}

function rowsOf(routes: RouteBatch): unknown[] {
  return Array.from({ length: routes.count }, (_, row) => [routes.vrf[row], `${routes.prefixAt(row)}`, routes.group[row]])
}

describe('frames', () => {
  const octets = fc.uint8Array({ maxLength: 40 })

  test('any frames survive, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.jsonValue(), fc.array(octets, { maxLength: 4 })), { maxLength: 5 }),
        fc.integer({ min: 1, max: 50 }),
        (frames, cut) => {
          const stream = Uint8Array.from(frames.flatMap(([head, columns]) => [...encodeFrame(head, columns)]))
          const reader = new FrameReader()
          const read: Frame[] = []
          for (let at = 0; at < stream.length; at += cut) read.push(...reader.push(stream.subarray(at, at + cut)))
          const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
          expect(read.map(({ head, columns }) => [normal(head), columns.map((column) => [...column])])).toEqual(
            frames.map(([head, columns]) => [normal(head), columns.map((column) => [...column])]),
          )
        },
      ),
    )
  })

  test('any octets are frames or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, short) => {
        const stream = short ? Uint8Array.of(0, 0, 0, bytes.length, ...bytes) : bytes
        try {
          for (const frame of new FrameReader(MAX_GREETING_SIZE).push(stream)) decodeRequest(frame)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
    )
  })

  test('any content of a frame is a message or a ProtocolError', () => {
    const known = fc.constantFrom('hello', 'apply', 'dump', 'attach-port', 'detach-port', 'counters', 'stop')
    const request = fc.record(
      { id: fc.oneof(fc.nat(), fc.jsonValue()), method: known, transaction: fc.jsonValue(), port: fc.jsonValue(), device: fc.jsonValue() },
      { requiredKeys: ['method'] },
    )
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), request), fc.array(octets, { maxLength: 8 }), (head, columns) => {
        const [frame] = new FrameReader().push(encodeFrame(head, columns))
        for (const decode of [decodeRequest, decodeAnswer]) {
          try {
            decode(frame)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('over the limit are refused before memory is reserved', () => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, MAX_GREETING_SIZE + 1)
    expect(() => [...new FrameReader(MAX_GREETING_SIZE).push(bytes)]).toThrow(expect.objectContaining({ code: 'protocol.frame-too-long' }))
    new DataView(bytes.buffer).setUint32(0, MAX_FRAME_SIZE + 1)
    expect(() => [...new FrameReader().push(bytes)]).toThrow(expect.objectContaining({ code: 'protocol.frame-too-long' }))
  })
})

describe('requests', () => {
  test('any transaction survives', () => {
    fc.assert(
      fc.property(arbitraryTables(around), fc.nat(), (tables, generation) => {
        const transaction = transition(generation, EMPTY, tables)
        const { id, request } = decodeRequest(frameOf(encodeRequest(7, { method: 'apply', transaction })))
        expect(id).toBe(7)
        expect(request.method).toBe('apply')
        expect(plain((request as Extract<Request, { method: 'apply' }>).transaction)).toEqual(plain(transaction))
      }),
    )
  })

  it('numbers that JSON cannot write come out as NaN, for the tables to refuse', () => {
    const none = { set: [], remove: [] }
    const transaction = { ...transition(Number.POSITIVE_INFINITY, EMPTY, EMPTY), ports: none }
    const { request } = decodeRequest(frameOf(encodeRequest(1, { method: 'apply', transaction })))
    expect((request as Extract<Request, { method: 'apply' }>).transaction.generation).toBeNaN()
  })

  const device = {
    netns: '/run/netns/x',
    ifname: 'eth0',
    addresses: ['10.0.0.1', 'fd00::1'].map((text) => IpAddress.parse(text)),
    mtu: 1400,
  }
  it.each<Request>([
    { method: 'hello', protocol: 1 },
    { method: 'stop', keepDevices: true },
    { method: 'dump' },
    { method: 'counters' },
    { method: 'attach-port', port: 3, device },
    { method: 'attach-port', port: 3, device: { ifname: 'eth0', addresses: [], mtu: 68, routes: [IpPrefix.parse('10.0.0.0/8')] } },
    { method: 'detach-port', port: 3 },
  ])('$method survives', (request) => {
    expect(decodeRequest(frameOf(encodeRequest(9, request)))).toEqual({ id: 9, request })
  })

  it.each([
    ['no object', []],
    ['no id', { method: 'dump' }],
    ['an unknown method', { id: 1, method: 'reboot' }],
    ['a transaction without columns', { id: 1, method: 'apply', transaction: {} }],
    ['a device without addresses', { id: 1, method: 'attach-port', port: 1, device: { ifname: 'x', mtu: 1 } }],
    ['an address that is none', { id: 1, method: 'attach-port', port: 1, device: { ifname: 'x', mtu: 1, addresses: ['10.0.0.256'] } }],
  ])('%s is refused as protocol.message-malformed', (_, head) => {
    expect(() => decodeRequest(frameOf(encodeFrame(head)))).toThrow(expect.objectContaining({ code: 'protocol.message-malformed' }))
  })

  it('mirrors and traces survive', () => {
    const [local, remote] = [IpAddress.parse('192.0.2.1'), IpAddress.parse('192.0.2.2')]
    const tables = {
      ...EMPTY,
      mirrors: [
        { id: 1, ports: [{ port: 2, direction: 'both' as const }], snapLength: 64, sink: { type: 'stream' as const } },
        { id: 2, ports: [], sink: { type: 'erspan' as const, local, remote, session: 7 } },
      ],
      policies: [
        {
          id: 1,
          port: 2,
          direction: 'egress' as const,
          rules: [{ verdict: 'deny' as const, mirror: 2 }],
          defaultVerdict: 'allow' as const,
        },
      ],
      traces: [
        { id: 1, filter: {} },
        { id: 2, filter: { vrf: 1, ends: [IpPrefix.parse('10.0.0.0/8')], protocol: 6, port: 80, dropped: true } },
      ],
    }
    const transaction = transition(1, EMPTY, tables)
    const { request } = decodeRequest(frameOf(encodeRequest(1, { method: 'apply', transaction })))
    expect(request.method === 'apply' && plain(request.transaction)).toEqual(plain(transaction))
  })

  it('columns of unequal length are refused', () => {
    const { columns, head } = frameOf(encodeRequest(1, { method: 'apply', transaction: transition(1, EMPTY, EMPTY) }))
    const longer = columns.map((column, index) => (index === 2 ? Uint8Array.of(...column, 32) : column))
    expect(() => decodeRequest({ head, columns: longer })).toThrow(expect.objectContaining({ code: 'protocol.message-malformed' }))
  })
})

describe('answers', () => {
  test('any state survives', () => {
    fc.assert(
      fc.property(arbitraryTables(around), (tables) => {
        const devices = [{ port: 1, ifname: 'eth0', addresses: [], mtu: 1400, ifindex: 4, mac: MacAddress.parse('02:00:00:00:00:01') }]
        const pathMtus = [{ remote: IpAddress.parse('2001:db8::1'), mtu: 1340 }]
        const state: DataplaneState = { ...stateOf(tables), generation: 5, pathMtus, devices }
        const answer = decodeAnswer(frameOf(encodeReply(4, 'dump', state)))
        expect(answer).toMatchObject({ type: 'reply', id: 4 })
        const { routes, ...rest } = answer.type === 'reply' ? resultFrom('dump', answer.result, answer.columns) : state
        expect({ ...rest, routes: rowsOf(routes) }).toEqual({ ...state, routes: rowsOf(state.routes) })
      }),
    )
  })

  it('counters survive to the last bit', () => {
    const drops = Float64Array.from(DROP_REASONS, (_, slot) => slot * 2 ** 40 + 1)
    const snapshot = { drops, portIds: Uint32Array.of(7, 0), ports: Float64Array.of(1, 2, 3, 4, 5, 2 ** 53, 0, 0, 0, 9) }
    const answer = decodeAnswer(frameOf(encodeReply(2, 'counters', snapshot)))
    expect(answer.type === 'reply' && resultFrom('counters', answer.result, answer.columns)).toEqual(snapshot)
  })

  it('a failure keeps its code, its sentence and its cause', () => {
    const cause = new DataplaneError('dataplane.closed', 'the reason')
    const error = new DataplaneError('dataplane.device', 'the device x cannot be had', { cause })
    const answer = decodeAnswer(frameOf(encodeFailure(3, error)))
    expect(answer).toMatchObject({ type: 'failure', id: 3, error: { code: 'dataplane.device', message: error.message } })
    expect(answer.type === 'failure' && (answer.error.cause as Error).message).toBe(cause.message)
  })

  it.each([
    { type: 'port-up', port: 1 } as const,
    { type: 'port-down', port: 1, reason: 'gone' } as const,
    { type: 'underlay-changed', local: IpAddress.parse('192.0.2.1'), mtu: 1400 } as const,
    { type: 'underlay-changed', local: IpAddress.parse('192.0.2.1'), mtu: 1400, remote: IpAddress.parse('2001:db8::1') } as const,
    { type: 'mirrored', mirror: 3, port: 1, direction: 'egress', sequence: 9, time: 1.5, length: 90, packet: Uint8Array.of(1, 2) } as const,
    {
      type: 'traced',
      trace: 3,
      sequence: 9,
      time: 1.5,
      from: { type: 'underlay', encapsulation: 'vxlan', source: IpAddress.parse('192.0.2.1') },
      length: 90,
      packet: Uint8Array.of(1, 2),
      steps: [{ step: 'label', text: 'why' }],
      outcome: 'drop',
      reason: 'vni-unknown',
    } as const,
    {
      type: 'traced',
      trace: 3,
      sequence: 9,
      time: 1.5,
      from: { type: 'port', port: 1 },
      length: 0,
      packet: Uint8Array.of(),
      steps: [],
      outcome: 'cut',
    } as const,
  ])('the event $type survives', (event) => {
    expect(decodeAnswer(frameOf(encodeEvent(event)))).toEqual({ type: 'event', event })
  })
})
