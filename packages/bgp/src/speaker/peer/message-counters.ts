import { MESSAGE_TYPE } from '../../iana.js'
import type { MessageCounters } from './neighbor-view.js'

const NAME: ReadonlyMap<number, keyof MessageCounters> = new Map([
  [MESSAGE_TYPE.open, 'open'],
  [MESSAGE_TYPE.update, 'update'],
  [MESSAGE_TYPE.notification, 'notification'],
  [MESSAGE_TYPE.keepalive, 'keepalive'],
  [MESSAGE_TYPE.routeRefresh, 'routeRefresh'],
])

export function newCounters(): MessageCounters {
  return { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 }
}

/** Counts a message by its type in the header. */
export function count(counters: MessageCounters, type: number): void {
  const name = NAME.get(type)
  if (name !== undefined) counters[name]++
}
