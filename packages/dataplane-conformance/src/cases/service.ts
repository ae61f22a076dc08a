import type { PolicyObject, ServiceObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { BLUE, RED, startOverlay } from '../overlay.js'
import { labelled, testPacket, testSegment, type TestPacket, type TestSegment } from '../packets.js'
import { MOST_EXTENSIONS, partOf, testIcmp, testSctp, withExtensions, type TestExtension } from '../packets-of-flows.js'
import { only } from '../tables.js'

const needs = { offers: ['service'] } as const
const CLIENT = { 4: '10.0.0.1', 6: 'fd00::1' } as const
const BACKEND = { 4: '10.0.0.2', 6: 'fd00::2' } as const
const FAR = { 4: '10.1.0.1', 6: 'fd01::1' } as const
const VIP = { 4: '10.96.0.10', 6: 'fd96::10' } as const
const FAMILIES = [4, 6] as const

type Part = Partial<Omit<ServiceObject, 'backends'>> & {
  readonly backends: readonly (readonly [address: string, port: number, state?: 'draining'])[]
}

function service({ backends, ...rest }: Part): ServiceObject {
  const list = backends.map(([address, port, state]) => ({ address: IpAddress.parse(address), port, weight: 1, ...(state && { state }) }))
  return { id: 1, vrf: RED, address: IpAddress.parse(VIP[4]), protocol: 'tcp', port: 80, seed: 3, ...rest, backends: list }
}

/** The overlay with services in red, the virtual addresses led to this router by label 110. */
async function startWith(
  lab: Lab,
  parts: readonly Part[],
  policies: readonly PolicyObject[] = [],
): Promise<(next: readonly Part[]) => Promise<void>> {
  const tables = await startOverlay(lab)
  const set = (list: readonly Part[]): Promise<void> =>
    lab.program({ ...tables, services: list.map((part, id) => service({ id, ...part })), ...(policies.length > 0 && { policies }) })
  await set(parts)
  return set
}

function receive(lab: Lab, packet: Uint8Array, label = 101): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
}

/** What was sent to peer 0, without its label. */
function sent(lab: Lab, observed: Observed): Uint8Array {
  return expectSent(observed, lab.peers[0]).slice(4)
}

const asked: Partial<TestSegment> = { sourcePort: 4000, destinationPort: 80 }
const answered: Partial<TestSegment> = { sourcePort: 8080, destinationPort: 4000, flags: 18 }
const shown: Partial<TestSegment> = { sourcePort: 80, destinationPort: 4000, flags: 18, ttl: 63 }

export const serviceCases: readonly ConformanceCase[] = [
  {
    name: 'service: a connection to a virtual address goes to a backend, its replies come from the virtual address',
    needs,
    async run(lab) {
      await startWith(
        lab,
        FAMILIES.map((family) => ({ address: IpAddress.parse(VIP[family]), backends: [[FAR[family], 8080]] })),
      )
      for (const family of FAMILIES) {
        const there = sent(lab, await lab.fromPort(1, testSegment({ ...asked, source: CLIENT[family], destination: VIP[family] })))
        checkEqual(
          there,
          testSegment({ source: CLIENT[family], destination: FAR[family], sourcePort: 4000, destinationPort: 8080, ttl: 63 }),
          'request',
        )
        for (const label of [101, 110]) {
          const back = expectDelivered(
            await receive(lab, testSegment({ ...answered, source: FAR[family], destination: CLIENT[family] }), label),
            1,
          )
          checkEqual(back, testSegment({ ...shown, source: VIP[family], destination: CLIENT[family] }), 'reply')
        }
        const other = { ...answered, source: FAR[family], destination: CLIENT[family], destinationPort: 4001 }
        checkEqual(expectDelivered(await receive(lab, testSegment(other)), 1), testSegment({ ...other, ttl: 63 }), 'packet of no service')
      }
    },
  },
  {
    name: 'service: a connection is translated behind extension headers, and dropped as fragment behind more than are looked through',
    needs,
    async run(lab) {
      const [client, virtual, backend] = [CLIENT[6], VIP[6], FAR[6]]
      await startWith(lab, [{ address: IpAddress.parse(virtual), backends: [[backend, 8080]] }])
      const options = (count: number): readonly TestExtension[] =>
        Array.from({ length: count }, (_, index) => ({ protocol: 60, units: index % 2 }))
      const request = testSegment({ ...asked, source: client, destination: virtual })
      const went = testSegment({ source: client, destination: backend, sourcePort: 4000, destinationPort: 8080, ttl: 63 })
      const reply = testSegment({ ...answered, source: backend, destination: client })
      const came = testSegment({ ...shown, source: virtual, destination: client })
      for (const count of [1, 2, MOST_EXTENSIONS]) {
        const behind = (packet: Uint8Array): Uint8Array => withExtensions(packet, options(count))
        checkEqual(sent(lab, await lab.fromPort(1, behind(request))), behind(went), `request behind ${count}`)
        checkEqual(expectDelivered(await receive(lab, behind(reply)), 1), behind(came), `reply behind ${count}`)
      }
      const many = withExtensions(request, options(MOST_EXTENSIONS + 1))
      expectDropped(await lab.fromPort(1, many), 'fragment')
      // It is not known for a reply.
      const unknown = withExtensions(reply, options(MOST_EXTENSIONS + 1))
      const passed = unknown.slice()
      passed[7]--
      checkEqual(expectDelivered(await receive(lab, unknown), 1), passed, 'what is not known for a reply')
    },
  },
  {
    name: 'service: UDP keeps its checksum right, and its absence',
    needs,
    async run(lab) {
      await startWith(lab, [{ protocol: 'udp', port: 53, backends: [[BACKEND[4], 5353]] }])
      const query: TestPacket = { source: CLIENT[4], destination: VIP[4], sourcePort: 4000, destinationPort: 53 }
      const expected = testPacket({ ...query, destination: BACKEND[4], destinationPort: 5353, ttl: 63 })
      checkEqual(expectDelivered(await lab.fromPort(1, testPacket(query)), 2), expected, 'query')
      const without = testPacket(query)
      without.set([0, 0], 26)
      expected.set([0, 0], 26)
      checkEqual(expectDelivered(await lab.fromPort(1, without), 2), expected, 'query without a checksum')
      const answer = testPacket({ source: BACKEND[4], destination: CLIENT[4], sourcePort: 5353, destinationPort: 4000 })
      const shownAnswer = testPacket({ source: VIP[4], destination: CLIENT[4], sourcePort: 53, destinationPort: 4000, ttl: 63 })
      checkEqual(expectDelivered(await lab.fromPort(2, answer), 1), shownAnswer, 'answer')
    },
  },
  {
    name: 'service: SCTP keeps its port, and its checksum, which covers no address (RFC 9260 §6.8)',
    needs,
    async run(lab) {
      const parts = FAMILIES.map((family): Part => {
        return { address: IpAddress.parse(VIP[family]), protocol: 'sctp', port: 3868, backends: [[BACKEND[family], 3868]] }
      })
      await startWith(lab, parts)
      for (const family of FAMILIES) {
        const request = { source: CLIENT[family], destination: VIP[family], sourcePort: 4000, destinationPort: 3868 }
        const there = expectDelivered(await lab.fromPort(1, testSctp(request)), 2)
        checkEqual(there, testSctp({ ...request, destination: BACKEND[family], ttl: 63 }), 'request')
        const reply = { source: BACKEND[family], destination: CLIENT[family], sourcePort: 3868, destinationPort: 4000 }
        const back = expectDelivered(await lab.fromPort(2, testSctp(reply)), 1)
        checkEqual(back, testSctp({ ...reply, source: VIP[family], ttl: 63 }), 'reply')
      }
    },
  },
  {
    name: 'service: a service is that of its VRF, protocol and port alone, and one without backends drops as no-backend',
    needs,
    async run(lab) {
      await startWith(lab, [
        { backends: [[FAR[4], 8080]] },
        { port: 81, backends: [] },
        { port: 82, backends: [[FAR[4], 8080, 'draining']] },
      ])
      const request = { ...asked, source: CLIENT[4], destination: VIP[4] }
      expectDropped(await lab.fromPort(3, testSegment(request)), 'no-route')
      expectDropped(await lab.fromPort(1, testPacket({ source: CLIENT[4], destination: VIP[4], destinationPort: 80 })), 'no-route')
      for (const destinationPort of [81, 82])
        expectDropped(await lab.fromPort(1, testSegment({ ...request, destinationPort })), 'no-backend')
      expectDropped(await lab.fromPort(1, testSegment({ ...request, destinationPort: 83 })), 'no-route')
    },
  },
  {
    name: 'service: flows spread over backends and stay; one that drains keeps its flows and gets none, one that goes loses them',
    needs,
    async run(lab) {
      const both: Part = { backends: [[BACKEND[4], 8080], [FAR[4], 8080]] } // prettier-ignore
      const set = await startWith(lab, [both])
      const request = (sourcePort: number): Uint8Array => testSegment({ ...asked, source: CLIENT[4], destination: VIP[4], sourcePort })
      const where = async (port: number): Promise<string> => (await lab.fromPort(1, request(port))).outputs[0]?.type ?? 'dropped'
      const ports = Array.from({ length: 40 }, (_, index) => 3000 + index)
      const first: string[] = []
      for (const port of ports) first.push(await where(port))
      const near = first.filter((type) => type === 'delivered').length
      check(near > 5 && near < 35, `of 40 flows ${near} went to one of two backends`)
      await set([{ backends: [[BACKEND[4], 8080, 'draining'], [FAR[4], 8080]] }]) // prettier-ignore
      for (const [index, port] of ports.entries()) checkEqual(await where(port), first[index], `flow ${port} while a backend drains`)
      for (const port of ports) checkEqual(await where(port + 100), 'sent', `new flow ${port + 100}`)
      await set([{ backends: [[FAR[4], 8080]] }])
      for (const port of ports) checkEqual(await where(port), 'sent', `flow ${port} without the backend`)
      await set([both])
      for (const port of ports) checkEqual(await where(port), 'sent', `flow ${port} when the backend is back`)
      await set([])
      expectDropped(await lab.fromPort(1, request(3000)), 'no-route')
    },
  },
  {
    name: 'service: one that moves to another VRF or protocol loses its flows',
    needs,
    async run(lab) {
      const set = await startWith(lab, [{ backends: [[FAR[4], 8080]] }])
      const reply = { ...answered, source: FAR[4], destination: CLIENT[4] }
      for (const moved of [{ vrf: BLUE }, { protocol: 'udp' }] as const) {
        sent(lab, await lab.fromPort(1, testSegment({ ...asked, source: CLIENT[4], destination: VIP[4] })))
        checkEqual(expectDelivered(await receive(lab, testSegment(reply)), 1)[21], 80, 'port that a reply comes from')
        await set([{ ...moved, backends: [[FAR[4], 8080]] }])
        const found = expectDelivered(await receive(lab, testSegment(reply)), 1)
        checkEqual(found, testSegment({ ...reply, ttl: 63 }), 'packet of no service')
        await set([{ backends: [[FAR[4], 8080]] }])
      }
    },
  },
  {
    name: 'service: with affinity all flows of a client come to one backend, until it drains',
    needs,
    async run(lab) {
      const set = await startWith(lab, [{ affinity: 3_600_000, backends: [[BACKEND[4], 8080], [FAR[4], 8080]] }]) // prettier-ignore
      const where = async (sourcePort: number): Promise<string> => {
        const request = testSegment({ ...asked, source: CLIENT[4], destination: VIP[4], sourcePort })
        return (await lab.fromPort(1, request)).outputs[0]?.type ?? 'dropped'
      }
      const first = await where(1)
      for (let port = 2; port < 30; port++) checkEqual(await where(port), first, `flow ${port}`)
      const gone = first === 'sent' ? FAR[4] : BACKEND[4]
      const list = [BACKEND[4], FAR[4]].map((address) =>
        address === gone ? ([address, 8080, 'draining'] as const) : ([address, 8080] as const),
      )
      await set([{ affinity: 3_600_000, backends: list }])
      checkEqual(await where(1), first, 'a flow that was there')
      checkEqual(await where(40), first === 'sent' ? 'delivered' : 'sent', 'a new flow')
    },
  },
  {
    name: 'service: a backend that asks its own service is answered by the virtual address (hairpin)',
    needs,
    async run(lab) {
      await startWith(lab, [{ backends: [[CLIENT[4], 8080]] }])
      const there = expectDelivered(await lab.fromPort(1, testSegment({ ...asked, source: CLIENT[4], destination: VIP[4] })), 1)
      checkEqual(
        there,
        testSegment({ source: VIP[4], destination: CLIENT[4], sourcePort: 4000, destinationPort: 8080, ttl: 63 }),
        'request',
      )
      const back = expectDelivered(await lab.fromPort(1, testSegment({ ...answered, source: CLIENT[4], destination: VIP[4] })), 1)
      checkEqual(back, testSegment({ ...shown, source: VIP[4], destination: CLIENT[4] }), 'reply')
      const same = expectDelivered(
        await lab.fromPort(1, testSegment({ ...asked, source: CLIENT[4], destination: VIP[4], sourcePort: 8080 })),
        1,
      )
      const port = same[20] * 256 + same[21]
      check(port !== 80, 'the reply to a request from the served port would look as the request does')
      const reply = testSegment({ source: CLIENT[4], destination: VIP[4], sourcePort: 8080, destinationPort: port, flags: 18 })
      const expected = testSegment({ source: VIP[4], destination: CLIENT[4], sourcePort: 80, destinationPort: 8080, flags: 18, ttl: 63 })
      checkEqual(expectDelivered(await lab.fromPort(1, reply), 1), expected, 'reply to the served port')
    },
  },
  {
    name: 'service: clients of one port from outside share a backend by other source ports, and are answered where they are',
    needs,
    async run(lab) {
      await startWith(lab, [{ natSide: 'both', backends: [[BACKEND[4], 8080]] }])
      const found: number[] = []
      for (const source of [FAR[4], '10.1.0.2']) {
        const there = expectDelivered(await receive(lab, testSegment({ ...asked, source, destination: VIP[4] }), 110), 2)
        const sourcePort = there[20] * 256 + there[21]
        checkEqual(there, testSegment({ source: VIP[4], destination: BACKEND[4], sourcePort, destinationPort: 8080, ttl: 63 }), 'request')
        found.push(sourcePort)
      }
      checkEqual([found[0], new Set(found).size], [4000, 2], 'the first keeps its port, the second gets another')
      const back = testSegment({ source: BACKEND[4], destination: VIP[4], sourcePort: 8080, destinationPort: 4000, flags: 18 })
      checkEqual(sent(lab, await lab.fromPort(2, back)), testSegment({ ...shown, source: VIP[4], destination: FAR[4] }), 'reply')
    },
  },
  {
    name: 'service: a flow whose replies would look like packets of another goes on from the virtual address, and by another port if need be',
    needs,
    async run(lab) {
      await startWith(lab, [
        { backends: [[BACKEND[4], 8080]] },
        { port: 81, backends: [[BACKEND[4], 8080]] },
        { port: 82, backends: [[CLIENT[4], 4000]] },
        { protocol: 'sctp', port: 83, backends: [[CLIENT[4], 83]] },
      ])
      const toVirtual = { source: CLIENT[4], destination: VIP[4] }
      const fromVirtual = { source: VIP[4], destination: CLIENT[4], ttl: 63 }
      const direct = { source: CLIENT[4], destination: BACKEND[4], sourcePort: 4000, destinationPort: 8080, ttl: 63 }
      checkEqual(expectDelivered(await lab.fromPort(1, testSegment({ ...asked, ...toVirtual })), 2), testSegment(direct), 'the first flow')

      // Its client comes to the same backend, from the same port, by another service.
      const second = expectDelivered(await lab.fromPort(1, testSegment({ ...toVirtual, sourcePort: 4000, destinationPort: 81 })), 2)
      checkEqual(second, testSegment({ ...direct, source: VIP[4] }), 'the second flow')
      const secondBack = testSegment({ source: BACKEND[4], destination: VIP[4], sourcePort: 8080, destinationPort: 4000, flags: 18 })
      const secondShown = testSegment({ ...fromVirtual, sourcePort: 81, destinationPort: 4000, flags: 18 })
      checkEqual(expectDelivered(await lab.fromPort(2, secondBack), 1), secondShown, 'its reply')

      // What answers the third would be what asked the first.
      const third = expectDelivered(await lab.fromPort(1, testSegment({ ...toVirtual, sourcePort: 80, destinationPort: 82 })), 1)
      const port = third[20] * 256 + third[21]
      check(port >= 1024, `the third flow got port ${port}`)
      checkEqual(third, testSegment({ ...fromVirtual, sourcePort: port, destinationPort: 4000 }), 'the third flow')
      const thirdBack = testSegment({ ...toVirtual, sourcePort: 4000, destinationPort: port, flags: 18 })
      const thirdShown = testSegment({ ...fromVirtual, sourcePort: 82, destinationPort: 80, flags: 18 })
      checkEqual(expectDelivered(await lab.fromPort(1, thirdBack), 1), thirdShown, 'its reply')
      checkEqual(expectDelivered(await lab.fromPort(1, testSegment({ ...asked, ...toVirtual })), 2), testSegment(direct), 'the first again')

      // A port that a checksum covers cannot be another one.
      const fromServed = testSctp({ ...toVirtual, sourcePort: 83, destinationPort: 83 })
      expectDropped(await lab.fromPort(1, fromServed), 'nat-exhausted')
    },
  },
  {
    name: 'service: ICMP errors about a translated flow quote it as it was sent (RFC 5508 §4)',
    needs,
    async run(lab) {
      await startWith(
        lab,
        FAMILIES.map((family) => ({ address: IpAddress.parse(VIP[family]), backends: [[FAR[family], 8080]] })),
      )
      for (const family of FAMILIES) {
        const request = testSegment({ ...asked, source: CLIENT[family], destination: VIP[family] })
        const there = sent(lab, await lab.fromPort(1, request))
        for (const [type, source, shownSource] of [
          [family === 4 ? 11 : 3, family === 4 ? '10.1.0.7' : 'fd01::7', family === 4 ? '10.1.0.7' : 'fd01::7'],
          [family === 4 ? 3 : 1, FAR[family], VIP[family]],
        ] as const) {
          const about = { destination: CLIENT[family], type, rest: 0 }
          const found = expectDelivered(await receive(lab, testIcmp({ ...about, source, body: there })), 1)
          const quoted = testSegment({ ...asked, source: CLIENT[family], destination: VIP[family], ttl: 63 })
          checkEqual(found, testIcmp({ ...about, source: shownSource, body: quoted, ttl: 63 }), `error from ${source}`)
        }
        const reply = testSegment({ ...answered, source: FAR[family], destination: CLIENT[family] })
        const back = expectDelivered(await receive(lab, reply), 1)
        const error = { source: CLIENT[family], type: family === 4 ? 3 : 1 }
        const told = sent(lab, await lab.fromPort(1, testIcmp({ ...error, destination: VIP[family], body: back })))
        const quoted = testSegment({ ...answered, source: FAR[family], destination: CLIENT[family], ttl: 63 })
        checkEqual(told, testIcmp({ ...error, destination: FAR[family], body: quoted, ttl: 63 }), 'error about a reply')
      }
    },
  },
  {
    name: 'service: who is told of a packet that was translated sees the packet that it sent',
    needs: { offers: ['service', 'port-errors'] },
    async run(lab) {
      await startWith(lab, FAMILIES.map((family) => ({ address: IpAddress.parse(VIP[family]), backends: [[FAR[family], 8080], [BACKEND[family], 8080]] }))) // prettier-ignore
      for (const family of FAMILIES) {
        const request = testSegment({ ...asked, source: CLIENT[family], destination: VIP[family], ttl: 1 })
        const observed = await lab.fromPort(1, request)
        expectDropped(observed, 'ttl-expired')
        const [error] = observed.outputs
        check(error?.type === 'delivered' && error.port === 1, 'no error was told')
        checkEqual(error.packet.slice(family === 4 ? 28 : 48), request, 'quoted packet')
      }
    },
  },
  {
    name: 'service: fragments are translated as their first one, and dropped as fragment without it',
    needs,
    async run(lab) {
      await startWith(lab, [{ protocol: 'udp', port: 53, backends: [[BACKEND[4], 53]] }])
      const whole = testPacket({ source: CLIENT[4], destination: VIP[4], sourcePort: 4000, destinationPort: 53, size: 40 })
      const expected = testPacket({ source: CLIENT[4], destination: BACKEND[4], sourcePort: 4000, destinationPort: 53, size: 40, ttl: 63 })
      expectDropped(await lab.fromPort(1, partOf(whole, { offset: 24 })), 'fragment')
      for (const part of [{ offset: 0, size: 24 }, { offset: 24 }]) {
        checkEqual(expectDelivered(await lab.fromPort(1, partOf(whole, part)), 2), partOf(expected, part), `part at ${part.offset}`)
      }
      const answer = testPacket({ source: BACKEND[4], destination: CLIENT[4], sourcePort: 53, destinationPort: 4000, size: 40 })
      const shownAnswer = testPacket({ source: VIP[4], destination: CLIENT[4], sourcePort: 53, destinationPort: 4000, size: 40, ttl: 63 })
      for (const part of [{ offset: 0, size: 24 }, { offset: 24 }]) {
        checkEqual(expectDelivered(await lab.fromPort(2, partOf(answer, part)), 1), partOf(shownAnswer, part), `answer at ${part.offset}`)
      }
    },
  },
  {
    name: 'service: policies see the backend behind a virtual address, replies and errors pass as those of the flow they allowed',
    needs: { offers: ['service', 'policy'] },
    async run(lab) {
      const allow = (port: number, direction: 'ingress' | 'egress', id: number): PolicyObject => {
        const rules = [{ verdict: 'allow', protocol: 6, ports: [{ first: 8080, last: 8080 }] }] as const
        return { id, port, direction, rules, defaultVerdict: 'deny' }
      }
      const deny = (port: number, direction: 'ingress' | 'egress', id: number): PolicyObject => ({
        id,
        port,
        direction,
        rules: [],
        defaultVerdict: 'deny',
      })
      const policies = [allow(1, 'egress', 1), deny(1, 'ingress', 2), allow(2, 'ingress', 3), deny(2, 'egress', 4)]
      await startWith(lab, [{ backends: [[BACKEND[4], 8080]] }, { port: 81, backends: [[BACKEND[4], 8081]] }], policies) // prettier-ignore
      const request = { ...asked, source: CLIENT[4], destination: VIP[4] }
      expectDropped(await lab.fromPort(1, testSegment({ ...request, destinationPort: 81 })), 'policy')
      const there = expectDelivered(await lab.fromPort(1, testSegment(request)), 2)
      const error = testIcmp({ source: BACKEND[4], destination: CLIENT[4], type: 3, body: there })
      expectDelivered(await lab.fromPort(2, error), 1)
      const back = expectDelivered(await lab.fromPort(2, testSegment({ ...answered, source: BACKEND[4], destination: CLIENT[4] })), 1)
      checkEqual(back, testSegment({ ...shown, source: VIP[4], destination: CLIENT[4] }), 'reply')
    },
  },
  {
    name: 'service: an ICMP error about a translated flow that goes to anybody but who sent what it quotes stays as it is, and is judged as such',
    needs: { offers: ['service', 'policy'] },
    async run(lab) {
      const router = { 4: '10.1.0.7', 6: 'fd01::7' } as const
      const egress = {
        id: 1,
        port: 1,
        direction: 'egress',
        rules: [
          { verdict: 'allow', protocol: 6, ports: [{ first: 8080, last: 8080 }] },
          { verdict: 'allow', protocol: 1, icmpTypes: [{ type: 11 }] },
          { verdict: 'allow', protocol: 58, icmpTypes: [{ type: 3 }] },
        ],
        defaultVerdict: 'deny',
      } as const
      await startWith(
        lab,
        FAMILIES.map((family) => ({ address: IpAddress.parse(VIP[family]), backends: [[FAR[family], 8080]] })),
        [egress, { ...egress, id: 2, direction: 'ingress', rules: [] }],
      )
      for (const family of FAMILIES) {
        const [unreachable, expired] = family === 4 ? [3, 11] : [1, 3]
        const there = sent(lab, await lab.fromPort(1, testSegment({ ...asked, source: CLIENT[family], destination: VIP[family] })))
        const reply = testSegment({ ...answered, source: FAR[family], destination: CLIENT[family] })
        const back = expectDelivered(await receive(lab, reply), 1)
        const error = { source: CLIENT[family], type: unreachable, body: back }
        // The backend has not sent what the client got: the virtual address has.
        for (const destination of [BACKEND[family], FAR[family]]) {
          expectDropped(await lab.fromPort(1, testIcmp({ ...error, destination })), 'policy')
        }
        const judged = { ...error, destination: BACKEND[family], type: expired }
        checkEqual(expectDelivered(await lab.fromPort(1, testIcmp(judged)), 2), testIcmp({ ...judged, ttl: 63 }), 'error to somebody else')
        const told = sent(lab, await lab.fromPort(1, testIcmp({ ...error, destination: VIP[family] })))
        const body = testSegment({ ...answered, source: FAR[family], destination: CLIENT[family], ttl: 63 })
        checkEqual(told, testIcmp({ ...error, destination: FAR[family], body, ttl: 63 }), 'error to the backend')
        const about = { source: router[family], destination: CLIENT[family], type: unreachable }
        expectDelivered(await receive(lab, testIcmp({ ...about, body: there })), 1)
        expectDropped(await receive(lab, testIcmp({ ...about, body: reply })), 'policy')
      }
    },
  },
  {
    name: 'service: malformed services are refused, an SCTP service that changes its port as dataplane.unsupported',
    needs,
    async run(lab) {
      await startWith(lab, [{ backends: [] }])
      const bad: readonly (readonly [string, ServiceObject])[] = [
        ['dataplane.range', service({ id: 7, backends: [] })],
        ['dataplane.range', service({ id: 7, port: 0, backends: [] })],
        ['dataplane.range', service({ id: 7, port: 90, backends: [[FAR[6], 80]] })],
        ['dataplane.range', service({ id: 7, port: 90, backends: [[FAR[4], 65_536]] })],
        ['dataplane.range', service({ id: 7, port: 90, affinity: 0, backends: [] })],
        ['dataplane.unsupported', service({ id: 7, protocol: 'sctp', backends: [[FAR[4], 8080]] })],
        ['dataplane.dangling-reference', service({ id: 7, vrf: 99, backends: [] })],
      ]
      for (const [code, object] of bad) {
        const report = await lab.harness.dataplane.apply(only(lab.generation + 1, { services: { set: [object], remove: [] } }))
        checkEqual([report.status, ...report.failures.map((failure) => failure.code)], ['refused', code], JSON.stringify(object))
      }
    },
  },
]
