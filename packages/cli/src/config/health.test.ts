import { describe, expect, it } from 'vitest'
import { parseNode } from './load.js'
import { resolveNode } from './resolve.js'

const document = (health: object, service: object = {}): string =>
  JSON.stringify({
    node: { name: 'a', address: '192.0.2.1' },
    bgp: { as: 65000 },
    vrfs: [{ name: 'red', rd: '65000:1' }],
    services: [{ name: 'web', vrf: 'red', address: '10.96.0.1', protocol: 'tcp', port: 80, backends: [], health, ...service }],
  })
const resolved = (health: object): unknown => resolveNode(parseNode('node.yaml', document(health))).traffic?.services?.[0].health

describe('the health of a service in the configuration', () => {
  it('has defaults, in milliseconds', () => {
    expect(resolved({ type: 'tcp' })).toEqual({ type: 'tcp', interval: 5000, timeout: 1000, rise: 2, fall: 3 })
    expect(resolved({ type: 'tcp', interval: 0.25 })).toMatchObject({ interval: 250, timeout: 250 })
    expect(
      resolved({ type: 'http', port: 8080, path: '/healthz', status: '200-299', interval: 2, timeout: 0.5, rise: 1, fall: 1 }),
    ).toEqual({
      type: 'http',
      port: 8080,
      path: '/healthz',
      status: { first: 200, last: 299 },
      interval: 2000,
      timeout: 500,
      rise: 1,
      fall: 1,
    })
    expect(resolved({ type: 'http', status: 204 })).toMatchObject({ status: { first: 204, last: 204 } })
  })

  it.each([
    ['a type that there is not', { type: 'icmp' }, {}, 'type', 'tcp, http'],
    ['a timeout beyond the interval', { type: 'tcp', interval: 1, timeout: 2 }, {}, 'timeout', 'at most the interval, 1 seconds'],
    ['a timeout beyond the interval that is the default', { type: 'tcp', timeout: 6 }, {}, 'timeout', 'at most the interval, 5 seconds'],
    ['no port, of a service without TCP', { type: 'tcp' }, { protocol: 'udp' }, 'type', 'one with a port'],
    ['a path of TCP', { type: 'tcp', path: '/' }, {}, 'path', 'nothing where the type is tcp'],
    ['a status of TCP', { type: 'tcp', status: 200 }, {}, 'status', 'nothing where the type is tcp'],
    ['a range that ends before it begins', { type: 'http', status: '299-200' }, {}, 'status', 'a range such as 200-399'],
    ['a path with a blank', { type: 'http', path: '/a b' }, {}, 'path', 'from / on'],
  ])('is refused with %s, and says where', (_name, health, service, key, allowed) => {
    let problems: unknown
    try {
      parseNode('node.yaml', document(health, service))
    } catch (error) {
      problems = (error as { problems: unknown }).problems
    }
    expect(problems).toMatchObject([{ path: `services[0].health.${key}`, allowed: expect.stringContaining(allowed) as unknown }])
  })
})
