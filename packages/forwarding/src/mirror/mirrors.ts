import type { MirrorDirection, MirrorObject } from '@heddle/core'

/** A mirror as the engine has it. */
export interface Mirror {
  readonly object: MirrorObject
}

/** Mirrors of one port; undefined for a direction that has none. */
export interface PortMirrors {
  readonly ingress: readonly Mirror[] | undefined
  readonly egress: readonly Mirror[] | undefined
}

/** Finds the mirrors of each port among all; ports without one are left out. */
export function portMirrors(mirrors: Iterable<Mirror>): ReadonlyMap<number, PortMirrors> {
  const found = new Map<number, { ingress: Mirror[] | undefined; egress: Mirror[] | undefined }>()
  for (const mirror of mirrors) {
    for (const { port, direction } of mirror.object.ports) {
      const of = found.get(port) ?? { ingress: undefined, egress: undefined }
      for (const one of directionsOf(direction)) of[one] = [...(of[one] ?? []), mirror]
      found.set(port, of)
    }
  }
  return found
}

/** Whether a mirror gets all packets of the port in the direction. */
export function coversPort({ ports }: MirrorObject, port: number, direction: MirrorDirection): boolean {
  return ports.some((source) => source.port === port && (source.direction === direction || source.direction === 'both'))
}

function directionsOf(direction: MirrorDirection | 'both'): readonly MirrorDirection[] {
  return direction === 'both' ? ['ingress', 'egress'] : [direction]
}
