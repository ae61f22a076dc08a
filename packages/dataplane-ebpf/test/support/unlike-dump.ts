import { FibTable } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { wordAt } from '../../src/layout/word.js'
import { NUMBERS, placeOf, VERSIONS } from '../../src/tables/versioned-map.js'
import { SERVICE_KEY } from '../../src/layout/structs/service.js'
import { answerIn, question } from './question.js'

/*
 * What programs read is not all that `dump()` reads: they walk the tries of `fib` where that reads the list of routes, and go by `numbers` where that searches
 * the hashes.
 */

/** What programs would find and `dump()` does not show, a line each. */
export async function unlikeDump(router: EbpfRouter): Promise<string[]> {
  return [...(await routesUnlikeRows(router)), ...numbersUnlikeHashes(router)]
}

/** Asks the program for the first and the last address of each route. */
async function routesUnlikeRows(router: EbpfRouter): Promise<string[]> {
  const { routes } = await router.dump()
  const tables = new Map<number, FibTable>()
  const asked: { readonly vrf: number; readonly address: IpAddress }[] = []
  for (let row = 0; row < routes.count; row++) {
    const [vrf, length, family] = [routes.vrf[row], routes.length[row], routes.family[row]]
    const words = Array.from(routes.address.subarray(row * 4, row * 4 + 4))
    const addressOf = ([w0, w1, w2, w3]: readonly number[]): IpAddress => (family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3))
    const first = addressOf(words)
    const table = tables.get(vrf) ?? new FibTable()
    tables.set(vrf, table)
    table.setPrefix(IpPrefix.of(first, length), routes.group[row])
    const last = words.map((word, index) => (word | (0xffff_ffff >>> Math.max(0, length - index * 32))) >>> 0)
    for (const [index] of words.entries()) if (length - index * 32 >= 32) last[index] = words[index]
    for (const address of [first, addressOf(last)]) asked.push({ vrf, address })
  }
  return asked.flatMap(({ vrf, address }) => {
    const found = answerIn(router.run('lookup', question(vrf, address)).packet)
    const listed = tables.get(vrf)?.lookup(address)
    return found === listed ? [] : [`${address} in VRF ${vrf} leads to group ${found}, by the list to ${listed}`]
  })
}

/** Each number must be that of an object in force, and be there for each object that has its place to itself. */
function numbersUnlikeHashes({ parts: { maps } }: EbpfRouter): string[] {
  return Object.keys(VERSIONS).flatMap((map, kind) => {
    const numbers = maps.words('numbers').subarray(kind * NUMBERS, (kind + 1) * NUMBERS)
    const inForce = new Map<number, number[]>()
    const width = map === 'services' ? SERVICE_KEY.size : 4
    const octets = maps.object.entries(map)
    for (let at = 0; at < octets.length; at += width + 4) {
      const place = placeOf(octets.slice(at, at + width))
      inForce.set(place, [...(inForce.get(place) ?? []), wordAt(octets, at + width)])
    }
    const wrong: string[] = []
    for (let place = 0; place < NUMBERS; place++) {
      const [number, known] = [numbers[place], inForce.get(place)]
      if (number === 0 ? known?.length === 1 : known?.includes(number) !== true)
        wrong.push(`${map} has ${number} at place ${place} of the numbers, and ${known ?? 'nothing'} there`)
    }
    return wrong
  })
}
