// What is asked first of a kernel, and with each change of the programs (`npm run kernels`): that it takes all of them, on links too, and packets go by them.
import { ebpfDataplane, ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { POD, UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

type Router = Awaited<ReturnType<typeof ebpfDataplane>>

const SITES = ['a', 'b'] as const
let sites: TwoEbpfSites | undefined
const routers: Router[] = []
beforeEach(() => {
  if (missing() === '') sites = new TwoEbpfSites('first')
})
afterEach(async () => {
  for (const router of routers.splice(0)) await router.close()
  sites?.close()
  sites = undefined
})

async function opened(space: TwoEbpfSites, site: (typeof SITES)[number]): Promise<Router> {
  const router = await ebpfDataplane({
    addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
    uplink: 'up0',
    underlayNetns: space.path(space.short('site', site)),
    fibBlocks: 1024,
    xdp: 'native',
  })
  routers.push(router)
  return router
}

/** How programs are on links, by the name of the link. */
async function attachments(router: Router): Promise<string[]> {
  const { parts } = await router.inspectKernel()
  return parts.filter(({ kind }) => kind === 'link').map(({ name, details }) => `${name}: ${details}`)
}

const hasXdp = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'xdp' && available)

it.skipIf(missing() !== '')(titled('programs are taken and attached, and packets go by them from site to site'), async () => {
  const space = sites as TwoEbpfSites
  for (const site of SITES) await space.setUp(await opened(space, site), site, 1, 4, 'mpls-udp')
  for (const router of routers) {
    const attached = await attachments(router)
    expect(attached.filter((text) => text.startsWith('uplink up0: '))).toHaveLength(hasXdp ? 2 : 1)
    expect(attached.some((text) => text.endsWith('by xdp'))).toBe(hasXdp)
  }
  for (const kind of ['red', 'blue'])
    for (const address of POD.b) expect(space.in(space.short(kind, 'a'), ...pingWords(2), address)).toContain(' 2 received')
})
