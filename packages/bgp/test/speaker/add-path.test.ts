import { describe, expect, it } from 'vitest'
import { VPNV4_UNICAST, type NeighborConfig } from '../../src/index.js'
import { Lab, follow, internal, isUp, neighbor, vpn } from './lab.js'

const R = '192.0.2.1'
const SOURCES = ['192.0.2.11', '192.0.2.12', '192.0.2.13']
const READER = '192.0.2.21'

async function overlay(reflector: Partial<NeighborConfig>, reader: Partial<NeighborConfig>) {
  const lab = new Lab()
  const client = (address: string, more: Partial<NeighborConfig> = {}) => internal(address, { routeReflectorClient: true, ...more })
  const r = lab.speaker(R, { neighbors: [...SOURCES.map((address) => client(address)), client(READER, reflector)] })
  const sources = SOURCES.map((address) => lab.speaker(address, { neighbors: [internal(R)] }))
  const end = lab.speaker(READER, { neighbors: [internal(R, reader)] })
  const { table } = follow(end)
  await Promise.all([r, ...sources, end].map((speaker) => speaker.start()))
  await lab.until(() => isUp(r, READER) && SOURCES.every((address) => isUp(r, address)), 'all are up')
  const seen = (): string[] => [...end.routes({ family: 'vpnv4-unicast' })].map(({ set }) => String(set.nextHop?.address)).sort()
  return { lab, r, sources, end, seen, table }
}

describe('ADD-PATH (RFC 7911)', () => {
  it('tells every path, with its own identifier, and takes each back by it', async () => {
    const { lab, sources, end, seen, table } = await overlay({ addPath: 'send' }, { addPath: 'receive' })
    expect(neighbor(end, R).negotiated?.addPath.receive).toEqual(new Set([VPNV4_UNICAST.key, neighbor(end, R).negotiated?.families[1].key]))
    for (const source of sources) source.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(seen()).toEqual(SOURCES)
    const ids = [...end.routes({ family: 'vpnv4-unicast' })].map(({ pathId }) => pathId)
    expect(new Set(ids).size).toBe(3)
    expect(ids).not.toContain(0)
    expect(table.size).toBe(3)

    sources[1].withdraw([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(seen()).toEqual([SOURCES[0], SOURCES[2]])
    // the other two keep the identifiers that they had
    expect(ids).toEqual(expect.arrayContaining([...end.routes({ family: 'vpnv4-unicast' })].map(({ pathId }) => pathId)))
    sources[0].announce([vpn('10.0.0.1/32', { label: 77 })])
    await lab.run(2)
    expect(
      [...end.routes({ family: 'vpnv4-unicast' })].map(({ nlri }) => (nlri.kind === 'vpn' ? nlri.labels[0] : 0)).sort((a, b) => a - b),
    ).toEqual([77, 1000])
    for (const source of sources) await source.stop()
    await lab.run(2)
    expect([seen(), table.size]).toEqual([[], 0])
  })

  it.each<[Partial<NeighborConfig>, Partial<NeighborConfig>]>([
    [{}, { addPath: 'receive' }],
    [{ addPath: 'send' }, {}],
    [{ addPath: 'receive' }, { addPath: 'receive' }],
    [{ addPath: 'send' }, { addPath: 'send' }],
  ])('is not used unless one sends and the other receives: %j to %j', async (reflector, reader) => {
    const { lab, sources, seen } = await overlay(reflector, reader)
    for (const source of sources) source.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(seen()).toEqual([SOURCES[0]])
  })

  it('tells no more than the best so many, and another one when one of these goes', async () => {
    const { lab, r, sources, end, seen } = await overlay({ addPath: 'send', addPathLimit: 2 }, { addPath: 'receive' })
    const prefer = (at: number, localPref: number): void => {
      const route = vpn('10.0.0.1/32')
      sources[at].announce([{ ...route, attributes: { ...route.attributes, localPref } }])
    }
    SOURCES.forEach((_source, at) => prefer(at, 100 + at))
    await lab.run(2)
    expect(seen()).toEqual([SOURCES[1], SOURCES[2]])
    prefer(0, 300)
    await lab.run(2)
    expect(seen()).toEqual([SOURCES[0], SOURCES[2]])
    sources[0].withdraw([vpn('10.0.0.1/32')])
    await lab.run(2)
    expect(seen()).toEqual([SOURCES[1], SOURCES[2]])
    // another limit needs no other session
    const config = neighbor(r, READER).config
    expect(r.updateNeighbor({ ...config, addPathLimit: 1 })).toBe('applied')
    await lab.run(2)
    expect([seen(), neighbor(end, R).established]).toEqual([[SOURCES[2]], 1])
    expect(() => r.updateNeighbor({ ...config, addPathLimit: 65 })).toThrow(/1–64/)
  })

  it('takes several paths of one peer, both ways, and goes on over a refresh', async () => {
    const { lab, r, sources, end, seen } = await overlay({ addPath: 'both' }, { addPath: 'both' })
    for (const source of sources) source.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    end.requestRefresh(R, 'vpnv4-unicast')
    await lab.run(2)
    expect(seen()).toEqual(SOURCES)
    // what came from the reflector does not go back, and what is of the reader's own has an identifier
    end.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    const back = [...r.routes({ family: 'vpnv4-unicast', neighbor: READER })]
    expect(back.map(({ set }) => String(set.nextHop?.address))).toEqual([READER])
    expect(back[0].pathId).toBeGreaterThan(0)
  })
})
