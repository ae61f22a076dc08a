import { hasFeature, type DataplaneFeature, type Encapsulation } from '@heddle/core'
import type { Harness, HarnessFeature } from './harness.js'
import type { Lab } from './lab.js'

/** What a case asks of the dataplane and its harness; without it the case is skipped, by that name. */
export interface Needs {
  readonly encapsulations?: readonly Encapsulation[]
  readonly underlayFamilies?: readonly (4 | 6)[]
  readonly features?: readonly HarnessFeature[]
  /** Of the dataplane. */
  readonly offers?: readonly DataplaneFeature[]
}

/** One thing that a dataplane must do. Cases are data: any runner can run them. */
export interface ConformanceCase {
  /** Unique, in words. */
  readonly name: string
  readonly needs?: Needs
  /** @throws ConformanceError when the dataplane does otherwise */
  run(lab: Lab): Promise<void>
}

/** Why `harness` cannot run a case with these needs, or undefined when it can. */
export function missingFor(needs: Needs | undefined, { dataplane: { capabilities }, features }: Harness): string | undefined {
  const encapsulation = needs?.encapsulations?.find((name) => !capabilities.encapsulations.includes(name))
  if (encapsulation !== undefined) return `the dataplane does not offer ${encapsulation}`
  const family = needs?.underlayFamilies?.find((name) => !capabilities.underlayFamilies.includes(name))
  if (family !== undefined) return `the dataplane has no IPv${family} underlay here`
  const offer = needs?.offers?.find((name) => !hasFeature(capabilities, name))
  if (offer !== undefined) return `the dataplane does not offer ${offer}`
  const feature = needs?.features?.find((name) => !features.has(name))
  return feature === undefined ? undefined : `the harness cannot do ${feature}`
}
