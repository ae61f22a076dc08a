import { LinuxError, Netlink, NetworkNamespace } from '@heddle/linux'
import type { NamespaceInspector, SeenInterface, SeenRoute } from '../server/inspector.js'

const MAIN_TABLE = 254

/** Looks into containers through the kernel. Needs CAP_SYS_ADMIN and the native part of `@heddle/linux`. */
export function kernelInspector(): NamespaceInspector {
  return {
    async isOwn(netns) {
      return unlessGone(async () => NetworkNamespace.identity(netns) === NetworkNamespace.identity(), false)
    },
    async exists(netns) {
      return unlessGone(async () => NetworkNamespace.identity(netns) > 0, false)
    },
    async has(netns, ifname) {
      return unlessGone(async () => NetworkNamespace.hasLink(netns, ifname), false)
    },
    async look(netns, ifname) {
      return unlessGone(async () => look(netns, ifname), undefined)
    },
    async routes(netns) {
      return unlessGone(async () => routes(netns), [])
    },
  }
}

async function look(netns: string, ifname: string): Promise<SeenInterface | undefined> {
  using netlink = await Netlink.open(netns)
  const link = (await netlink.links.list()).find(({ name }) => name === ifname)
  if (link === undefined) return undefined
  const addresses = await netlink.addresses.list(link.index)
  return {
    up: link.up,
    mtu: link.mtu,
    ...(link.mac === undefined ? {} : { mac: link.mac }),
    addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  }
}

async function routes(netns: string): Promise<readonly SeenRoute[]> {
  using netlink = await Netlink.open(netns)
  return (await netlink.routes.list())
    .filter(({ table }) => table === MAIN_TABLE)
    .map(({ destination, nextHops }) => {
      const gateway = nextHops[0]?.gateway
      return { dst: destination, ...(gateway === undefined ? {} : { gateway }) }
    })
}

/** A path that leads nowhere, or to something else than a namespace, is as good as no namespace. */
async function unlessGone<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof LinuxError && ['ENOENT', 'ENOTDIR', 'EINVAL', 'ENODEV'].includes(error.code)) return otherwise
    throw error
  }
}
