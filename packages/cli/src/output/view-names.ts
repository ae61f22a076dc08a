import type { ViewName } from '@heddle/agent'

const NAMES: Readonly<Record<ViewName, true>> = {
  neighbors: true,
  vrfs: true,
  routes: true,
  labels: true,
  tunnels: true,
  drops: true,
  endpoints: true,
  dataplane: true,
}

/** What `heddle show` can show. */
export const VIEW_NAMES = Object.keys(NAMES) as readonly ViewName[]
