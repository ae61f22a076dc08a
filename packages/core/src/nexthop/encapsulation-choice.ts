import type { Encapsulation } from '../dataplane/objects.js'

/**
 * The encapsulation towards a next hop: the first of our preferences that the far end takes and the dataplane can. A far end that says nothing takes
 * the default, our first preference, but no joint labels: who does not know of them takes theirs for any label.
 */
export function chooseEncapsulation(
  advertised: readonly Encapsulation[],
  preferences: readonly Encapsulation[],
  supported: readonly Encapsulation[],
): Encapsulation | undefined {
  const usable = preferences.filter((encapsulation) => supported.includes(encapsulation))
  return usable.find((encapsulation) => (advertised.length === 0 ? encapsulation !== 'mpls-udp-joint' : advertised.includes(encapsulation)))
}
