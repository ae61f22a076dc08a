import type { RouterDiscovery, RouterWatch } from '@heddle/io'

/** Router discovery on the devices of this host; the native part is loaded once a peer needs it. */
export function hostRouterDiscovery(): RouterDiscovery {
  let discovery: Promise<RouterDiscovery> | undefined
  return {
    watch(device, told) {
      let watch: RouterWatch | undefined
      let isOver = false
      discovery ??= import('@heddle/linux').then(({ linuxRouterDiscovery }) => linuxRouterDiscovery())
      void discovery.then((loaded) => {
        if (!isOver) watch = loaded.watch(device, told)
      })
      return {
        stop: () => {
          isOver = true
          watch?.stop()
        },
      }
    },
  }
}
