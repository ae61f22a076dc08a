/** Packages that run anywhere: no `node:` import and no timer of their own, outside a `node/` folder. */
export const PURE = [
  'wire',
  'io',
  'mpls',
  'bfd',
  'bgp',
  'core',
  'forwarding',
  'exchange',
  'dataplane-conformance',
  'dataplane-memory',
  'agent',
]
