/** Of an engine with a few objects of each kind, and flows. */
export const LIMITS = {
  vrfs: 4,
  ports: 4,
  nextHops: 4,
  groups: 4,
  groupMembers: 4,
  labels: 4,
  vnis: 4,
  routes: 16,
  labelStackDepth: 4,
  flows: 1024,
}
/** A part of a transaction that changes nothing. */
export const none = { set: [], remove: [] }
/** One that sets all of these. */
export const all = <T>(...set: readonly T[]): { readonly set: readonly T[]; readonly remove: readonly number[] } => ({ set, remove: [] })
