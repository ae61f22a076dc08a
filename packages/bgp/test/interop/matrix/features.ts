/** Daemons, as the columns of the matrix of `docs/INTEROP.md`. */
export const DAEMONS = ['FRR 8.4.4', 'GoBGP 3.10', 'BIRD 2.0.12', 'OpenBGPD 7.7', 'ExaBGP 4.2.21'] as const

/** What a cell says: how far it goes, and the test that shows it by its file and words of its title; or what the daemon lacks. */
export type Cell = { readonly says: string; readonly file: string; readonly title: string } | { readonly lacks: string }

const at = (file: string, title: string, says = 'yes'): Cell => ({ says, file, title })
const both = (file: string, title: string): Cell => at(file, title, 'both ways')
const none: Cell = { lacks: '–' }
/** Rows of `matrix.test.ts`, which are the same for four of them. */
const rows = (title: string, says: readonly (string | undefined)[]): Cell[] =>
  says.map((text) => (text === undefined ? none : at('matrix', title, text)))

/** The matrix: a row a feature, a cell a daemon, in the order of `DAEMONS`. */
const TABLE: readonly (readonly [feature: string, ...cells: Cell[]])[] = [
  [
    'VPNv4, VPNv6: label, RT, next hop',
    both('frr', 'gives VPNv4 and VPNv6 routes'),
    both('gobgp', 'gives VPNv4 and VPNv6 routes'),
    both('bird', 'takes VPNv4 and VPNv6 routes'),
    both('openbgpd', 'takes VPNv4 and VPNv6 routes'),
    both('exabgp', 'gives VPNv4 and VPNv6 routes'),
  ],
  [
    'EVPN MAC/IP, inclusive multicast, IP prefix',
    at('pass-through', 'comes out as it went in', 'unchanged through it'),
    at('pass-through', 'comes out as it went in', 'unchanged through it'),
    none,
    none,
    at('exabgp', 'takes EVPN routes', 'from us; it cannot originate any'),
  ],
  [
    'FlowSpec of IPv4, IPv6 (RFC 8955, 8956); of VPNs, and SR policy (RFC 9830)',
    at('pass-through', 'come out as it went in, and go again', 'IP, unchanged through it'),
    at('pass-through', 'come out as it went in, and go again', 'all, unchanged through it'),
    none,
    none,
    none,
  ],
  [
    'FlowSpec from another AS, validated by unicast routes (RFC 8955 §6, RFC 9117)',
    none,
    at('flowspec', 'has its rules followed while', 'from it'),
    none,
    none,
    none,
  ],
  [
    'a VPN route whose next hop reads joint labels (docs/adr/0025)',
    at('frr', 'passes on that a next hop reads joint labels', 'unchanged through it'),
    at('pass-through', 'comes out as it went in', 'of EVPN, unchanged through it'),
    at('bird', 'passes on that next hops read joint labels', 'unchanged through it'),
    at('openbgpd', 'passes on the community of joint labels with octets of 0', 'not through it'),
    none,
  ],
  ['route target membership (RTC)', none, both('gobgp', 'is told of a route as soon as it wants it'), none, none, none],
  [
    'ADD-PATH (RFC 7911)',
    ...rows('ADD-PATH: takes two paths of one speaker', ['both ways', 'both ways', 'both ways', 'both ways']),
    both('exabgp', 'several paths to a destination'),
  ],
  [
    'large communities (RFC 8092)',
    ...rows('large communities: come out', ['both ways', 'both ways', 'both ways', 'both ways']),
    both('exabgp', 'takes large communities'),
  ],
  [
    'messages beyond 4,096 octets (RFC 8654)',
    ...rows('an UPDATE beyond 4,096 octets passes', ['both ways', undefined, 'both ways', undefined]),
    at('exabgp', 'messages beyond 4,096 octets', 'from us'),
  ],
  [
    'route refresh (RFC 2918)',
    at('frr', 'answers a route refresh'),
    at('matrix', 'route refresh: gives its routes again'),
    at('bird', 'answers a refresh between marks', 'yes, between marks (RFC 7313)'),
    none,
    none,
  ],
  [
    'graceful restart (RFC 4724)',
    at('../../../../test/lab', 'restart', 'the demo, either side'),
    at('gobgp-restart', 'was killed keeps its routes with us', 'its restart'),
    at('bird', 'keeps our routes over a restart', 'our restart'),
    at('openbgpd', 'keeps our routes over a restart', 'our restart'),
    at('exabgp', 'agrees on families', 'capability only'),
  ],
  [
    'long-lived graceful restart (RFC 9494)',
    ...rows('long-lived graceful restart: keeps our routes marked', ['it keeps ours', 'it keeps ours', 'it keeps ours', undefined]),
    none,
  ],
  [
    'TCP MD5 (RFC 2385), key change in a session',
    at('md5', 'comes up with the same key', 'whoever connects'),
    at('md5', 'comes up with the same key', 'whoever connects'),
    at('md5', 'comes up with the same key', 'whoever connects'),
    at('md5', 'comes up with the same key', 'when it connects'),
    none,
  ],
  [
    'link-local session, IPv6 next hop of IPv4 routes (RFC 8950), TTL security (RFC 5082)',
    both('link-local', 'takes IPv4 and IPv6 routes that have ours, and forwards by them'),
    none,
    none,
    none,
    none,
  ],
  ['unnumbered peers: known by their router advertisements (RFC 4861)', both('link-local', 'an unnumbered link'), none, none, none, none],
  [
    'BFD with link-local and unnumbered peers, through the device (RFC 5881 §4, RFC 9384)',
    at('link-local', 'is watched by BFD through the device', 'its bfdd; ends the session'),
    none,
    none,
    none,
    none,
  ],
  ['BMP: tells our station (RFC 7854)', at('bmp', 'tells a station of ours'), at('bmp', 'tells a station of ours'), none, none, none],
  [
    'MRT: a table in a file (RFC 6396)',
    at('matrix', 'MRT: its table is read', 'its table, read by us'),
    at('mrt', 'injects our table', 'our table, taken by it'),
    at('matrix', 'MRT: its table is read', 'its table, read by us'),
    none,
    none,
  ],
  [
    'as customer in a VRF of ours (RFC 4364), as-override',
    both('vrf', 'hear of each other through us'),
    none,
    both('vrf', 'hear of each other through us'),
    none,
    none,
  ],
  [
    'as customer in the AS of its VRF: iBGP, attributes in ATTR_SET (RFC 6368)',
    both('vrf', 'in the AS of the VRF'),
    none,
    both('vrf', 'in the AS of the VRF'),
    none,
    none,
  ],
]

/** A row of the matrix, with a cell a daemon. */
export const FEATURES = TABLE.map(([feature, ...cells]) => ({ feature, cells }))

/** The matrix as Markdown. */
export function matrixText(): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const text = (cell: Cell): string => ('lacks' in cell ? cell.lacks : cell.says)
  return [
    line(['feature', ...DAEMONS]),
    line(['---', ...DAEMONS.map(() => '---')]),
    ...FEATURES.map(({ feature, cells }) => line([feature, ...cells.map(text)])),
  ].join('\n')
}
