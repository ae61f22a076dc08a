import { expect, it } from 'vitest'
import { parseNode } from './load.js'
import { resolveTraffic } from './resolve-traffic.js'

const TRAFFIC = {
  policies: [
    {
      name: 'p',
      vrf: 'red',
      endpoints: ['10.1.0.0/16'],
      ingress: { default: 'deny', rules: [{ action: 'allow', protocol: 'tcp', ports: [80] }] },
    },
  ],
  services: [
    {
      name: 'web',
      vrf: 'red',
      address: '10.96.0.1',
      protocol: 'tcp',
      port: 80,
      backends: [{ address: '10.1.0.1', port: 8080, weight: 2 }],
      affinity: 10,
      health: { type: 'http', port: 8080, interval: 2, timeout: 1, rise: 1, fall: 2, path: '/ready', status: '200-299' },
    },
  ],
  nat: [{ vrf: 'red', outside: 'blue', address: '198.51.100.1', ports: '2000-3000', destinations: ['0.0.0.0/0'] }],
  mirrors: [
    { name: 'm', vrf: 'red', endpoints: ['10.1.0.1/32'], direction: 'ingress', collector: '192.0.2.9', session: 7, snapLength: 64 },
  ],
  bfd: { tunnels: { interval: 100, multiplier: 5 } },
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  )
}

// Agents compare them as texts: a check of health began anew, as if nothing were known of its backends.
it('what is done with traffic is the same text in whichever order keys stand', () => {
  const vrfs = ['red', 'blue'].map((name, at) => ({ name, rd: `65000:${at}` }))
  const node = { node: { name: 'a', address: '192.0.2.1' }, bgp: { as: 65000 }, vrfs }
  const textOf = (traffic: unknown): string =>
    JSON.stringify(resolveTraffic(parseNode('node.yaml', JSON.stringify({ ...node, ...(traffic as object) }))))
  const text = textOf(TRAFFIC)
  expect(textOf(reversed(TRAFFIC))).toBe(text)
  const { mirrors, services } = JSON.parse(text) as { mirrors: unknown[]; services: { health: unknown }[] }
  expect(mirrors).toEqual([{ ...TRAFFIC.mirrors[0] }])
  expect(services[0].health).toEqual({ ...TRAFFIC.services[0].health, interval: 2000, timeout: 1000, status: { first: 200, last: 299 } })
})
