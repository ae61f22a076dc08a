import { nlri as nlriOf } from '@heddle/bgp/testing'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FAMILIES, SPOKEN_FAMILIES, familyByName, toJson, type Family, type LocalRoute, type Nlri } from '../../src/index.js'
import { Lab, internal, isUp } from './lab.js'

/* A route reflector, and two clients of it: what one of them originates in any family comes out at the other as it went in. */

const [R, A, B] = ['192.0.2.1', '192.0.2.11', '192.0.2.12'] as const
const PLAIN = { addPath: false, withdraw: false } as const
const SEED = 20_261_128

const text = (nlri: Nlri): string => JSON.stringify(toJson(nlri))

/** Routes of a family of every kind that it has, each destination once. */
function routesOf(family: Family): LocalRoute[] {
  const nextHop = IpAddress.parse(family.afi === 2 ? '2001:db8::9' : '192.0.2.99')
  const sample = fc.sample(nlriOf(family, PLAIN), { numRuns: 40, seed: SEED })
  return [...new Map(sample.map((nlri) => [text(nlri), nlri])).values()].map((nlri) => ({
    family,
    nlri,
    ...(family.name.endsWith('flowspec') || family.name === 'rtc' ? {} : { nextHop }),
    attributes: { med: 7 },
  }))
}

describe('every family that has a name', () => {
  it('is one that a speaker can be told to speak', () => {
    expect([...SPOKEN_FAMILIES].sort()).toEqual(FAMILIES.map(({ name }) => name).sort())
  })

  it.each(SPOKEN_FAMILIES.filter((name) => name !== 'rtc'))(
    `%s goes through a route reflector and comes out as it went in (seed ${SEED})`,
    async (name) => {
      const family = familyByName(name) ?? expect.unreachable()
      const lab = new Lab()
      const client = (address: string) => internal(address, { families: [name], routeReflectorClient: true })
      const r = lab.speaker(R, { neighbors: [client(A), client(B)] })
      const [a, b] = [A, B].map((address) => lab.speaker(address, { neighbors: [internal(R, { families: [name] })] }))
      if (a === undefined || b === undefined) return expect.unreachable()
      await Promise.all([r, a, b].map((speaker) => speaker.start()))
      await lab.until(() => isUp(r, A) && isUp(r, B), 'both sessions')
      const routes = routesOf(family)
      a.announce(routes)
      await lab.run(2)
      const sent = [...a.routes({ family: name, neighbor: 'local' })].map(({ nlri }) => text(nlri)).sort()
      const held = () => [...b.routes({ family: name, neighbor: R })].filter(({ invalid }) => invalid === undefined)
      expect(sent.length).toBeGreaterThan(3)
      expect(
        held()
          .map(({ nlri }) => text(nlri))
          .sort(),
      ).toEqual(sent)
      for (const { set } of held()) expect(set.attributes).toMatchObject({ med: 7, originatorId: IpAddress.parse(A) })
      a.withdraw(routes)
      await lab.run(2)
      expect(held()).toEqual([])
      expect([isUp(r, A), isUp(r, B)]).toEqual([true, true])
      return undefined
    },
  )
})
