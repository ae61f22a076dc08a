import { defaultBurst, type RateLimit, type RateLimits } from '@heddle/core'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniConfiguration } from '../protocol/configuration.js'
import { FieldReader } from '../protocol/json.js'

/** Bits a second: the most that Kubernetes takes in an annotation. */
const MOST_RATE = 1e15

/**
 * From so many bits on, a burst is what runtimes write that were asked for a rate alone (2³¹ − 1, 2³² − 1 or eight times that): taken by the word, the
 * limit would begin behind the first quarter of a gibibyte.
 */
const NO_BURST = 2 ** 31 - 1

const KEYS = new Set(['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'])

/**
 * How fast a container may send and get: as `runtimeConfig.bandwidth` says (the capability `bandwidth`, CNI conventions), or else the key `bandwidth` of the
 * configuration, of the same form. Ingress is what the container gets. Rates are bits a second, bursts are bits; a rate of 0 is none.
 *
 * @throws CniError 7
 */
export function chooseRates(config: CniConfiguration): RateLimits | undefined {
  return askedRates(config) ?? ratesOf(new FieldReader(config.raw, CNI_CODES.invalidConfiguration).object('bandwidth'))
}

/** Those that the runtime asks for. @throws CniError 7 */
export function askedRates({ runtimeConfig }: CniConfiguration): RateLimits | undefined {
  return ratesOf(new FieldReader(runtimeConfig, CNI_CODES.invalidConfiguration, 'runtimeConfig').object('bandwidth'))
}

function ratesOf(fields: FieldReader | undefined): RateLimits | undefined {
  if (fields === undefined) return undefined
  // A limit of which a part is not known would be another one than was asked for.
  const unknown = Object.keys(fields.fields).find((key) => !KEYS.has(key))
  if (unknown !== undefined) fields.fail(unknown, `nothing; known: ${[...KEYS].join(', ')}`)
  const [egress, ingress] = (['egress', 'ingress'] as const).map((direction) => limitOf(fields, direction))
  return egress === undefined && ingress === undefined ? undefined : { ...(egress && { egress }), ...(ingress && { ingress }) }
}

function limitOf(fields: FieldReader, direction: 'egress' | 'ingress'): RateLimit | undefined {
  const bitsPerSecond = fields.number(`${direction}Rate`, 0, MOST_RATE) ?? 0
  const burst = fields.number(`${direction}Burst`, 0, Number.MAX_SAFE_INTEGER) ?? 0
  if (bitsPerSecond === 0)
    return burst === 0 ? undefined : fields.fail(`${direction}Rate`, `a rate of at least 1, as there is ${direction}Burst`)
  const isSaid = burst > 0 && burst < NO_BURST
  return { bitsPerSecond, burstOctets: isSaid ? Math.max(1, Math.floor(burst / 8)) : defaultBurst(bitsPerSecond) }
}
