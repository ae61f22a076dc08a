import type { Context } from './context.js'

/** Steps 3 to 5, the same in both directions: the tables hold no flows, services or rules, so that every packet passes. */
export function passFlowServicePolicy({ trace }: Context): void {
  trace?.step('flow', 'nothing is remembered of a flow')
  trace?.step('service', 'no address is translated')
  trace?.step('policy', 'nothing is filtered')
}
