import type { NextHopAction, NextHopObject } from '../dataplane/objects.js'

/**
 * A text that is equal for equal objects: value types write themselves as text, and the order of members says nothing, since an object may come from a
 * dump that was carried over a socket.
 */
export function canonicalText(object: unknown): string {
  return JSON.stringify(object, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** As `canonicalText` for a next hop, without its cost: it is asked for each path of each route. */
export function nextHopText({ action, liveness }: Pick<NextHopObject, 'action' | 'liveness'>): string {
  return liveness === undefined ? actionText(action) : `${actionText(action)} while ${liveness} is up`
}

function actionText(action: NextHopAction): string {
  switch (action.type) {
    case 'port':
      return `port ${action.port}`
    case 'lookup':
      return `lookup ${action.vrf}`
    case 'local':
      return 'local'
    case 'discard':
      return `discard ${action.reason ?? ''}`
    case 'tunnel': {
      const { encapsulation, local, remote, labels, vni, routerMac, ttlModel, trafficClassModel, ecn = '' } = action
      return `${encapsulation} ${local} ${remote} ${labels.join('/')} ${vni ?? ''} ${routerMac ?? ''} ${ttlModel} ${trafficClassModel} ${ecn}`
    }
  }
}
