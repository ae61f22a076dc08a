import type { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import { FIRST_VNI, LAST_VNI } from '../label/vni-rest.js'
import type { EndpointRequest } from '../endpoint-service.js'

/** A VRF as someone wants it. */
export interface VrfIntent {
  /** Unique on the node. */
  readonly name: string
  /** Unique on the node; of its own for every (node, VRF), or the same prefix of two nodes is one route for a reflector. */
  readonly rd: RouteDistinguisher
  /** Routes with any of these come in. */
  readonly import: readonly RouteTarget[]
  /** Local routes go out with all of these. */
  readonly export: readonly RouteTarget[]
  readonly staticRoutes?: readonly StaticRouteIntent[]
  /** Underlay prefixes that may send into the VRF besides the next hops of its routes. */
  readonly tunnelSources?: readonly IpPrefix[]
  /**
   * 1–16,777,215, unique on the node, and the same on every node: the VRF takes and sends VXLAN, and tells its routes in EVPN beside VPNv4 and VPNv6. Needs
   * the encapsulation `vxlan`.
   */
  readonly vni?: number
}

/** A route that is there because someone says so. */
export interface StaticRouteIntent {
  readonly prefix: IpPrefix
  readonly via:
    | { readonly type: 'endpoint'; readonly address: IpAddress }
    | { readonly type: 'discard' }
    /** To what another VRF of the node has for it. */
    | { readonly type: 'vrf'; readonly vrf: string }
}

/** An endpoint as someone wants it. */
export interface EndpointIntent extends EndpointRequest {
  /** Octets. */
  readonly mtu: number
}

/** One thing that is wrong with an intent. */
export interface IntentProblem {
  /** Stable and machine-readable, e.g. `intent.vrf.duplicate-rd`. */
  readonly code: string
  /** What it is about, e.g. `vrf red`. */
  readonly subject: string
  readonly message: string
}

/** Intents that cannot be had; nothing of them was applied. */
export class IntentError extends Error {
  override readonly name = 'IntentError'

  constructor(readonly problems: readonly IntentProblem[]) {
    super(problems.map(({ subject, message, code }) => `${subject}: ${message} (${code})`).join('; '))
  }
}

/** What is wrong with a list of VRFs, for a dataplane that carries these encapsulations; empty when nothing is. */
export function checkVrfs(vrfs: readonly VrfIntent[], encapsulations: readonly Encapsulation[]): readonly IntentProblem[] {
  const problems: IntentProblem[] = [...vniProblems(vrfs, encapsulations)]
  const names = new Set<string>()
  const distinguishers = new Map<string, string>()
  for (const { name, rd, staticRoutes = [] } of vrfs) {
    const subject = `vrf ${name}`
    if (name === '') problems.push({ code: 'intent.vrf.name', subject, message: 'a VRF needs a name' })
    if (names.has(name)) problems.push({ code: 'intent.vrf.duplicate-name', subject, message: 'the name is used twice' })
    names.add(name)
    const other = distinguishers.get(String(rd))
    if (other !== undefined)
      problems.push({ code: 'intent.vrf.duplicate-rd', subject, message: `route distinguisher ${rd} is that of vrf ${other}` })
    distinguishers.set(String(rd), name)
    const prefixes = new Set<string>()
    for (const { prefix, via } of staticRoutes) {
      if (prefixes.has(String(prefix)))
        problems.push({ code: 'intent.static-route.duplicate', subject, message: `static route ${prefix} is there twice` })
      prefixes.add(String(prefix))
      if (via.type === 'vrf' && (via.vrf === name || !vrfs.some((other) => other.name === via.vrf)))
        problems.push({
          code: 'intent.static-route.vrf',
          subject,
          message: `static route ${prefix} leads to vrf ${via.vrf}, which is no other vrf`,
        })
      if (via.type === 'endpoint' && via.address.family !== prefix.family) {
        problems.push({
          code: 'intent.static-route.family',
          subject,
          message: `static route ${prefix} via ${via.address}: the families differ`,
        })
      }
    }
  }
  return problems
}

function vniProblems(vrfs: readonly VrfIntent[], encapsulations: readonly Encapsulation[]): readonly IntentProblem[] {
  const owners = new Map<number, string>()
  return vrfs.flatMap(({ name, vni }) => {
    if (vni === undefined) return []
    const problem = (code: string, message: string): readonly IntentProblem[] => [
      { code: `intent.vrf.${code}`, subject: `vrf ${name}`, message },
    ]
    const owner = owners.get(vni)
    owners.set(vni, name)
    if (!Number.isInteger(vni) || vni < FIRST_VNI || vni > LAST_VNI)
      return problem('vni', `VNI ${vni} is not within ${FIRST_VNI}–${LAST_VNI}`)
    if (owner !== undefined) return problem('duplicate-vni', `VNI ${vni} is that of vrf ${owner}`)
    if (encapsulations.includes('vxlan')) return []
    const message = `VNI ${vni} needs VXLAN, and the dataplane takes ${encapsulations.join(', ')}: leave it out, or free UDP port 4789`
    return problem('vni-unsupported', message)
  })
}
