// Keeps BFD sessions up while the process of the tables is dead or busy. One a node; it ends when it is told to, or when the tables are gone.
import { BfdSockets, Netlink, Poller } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LivenessKeeper } from './liveness/keeper.js'
import { KEEPER_LOOK, KEEPER_ORDER, claimKeeperLock, keeperNumber, NO_KEEPER, type KeeperPlace } from './liveness/keeper-process.js'
import { call } from './native/call.js'
import { checkLayout, configOf } from './tables/config.js'
import { KernelMaps } from './tables/kernel-maps.js'

/** What ends a process that does not mind them: whoever ends all processes of a unit, or of a session, means this one as well. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

let isAsked = false
for (const signal of SIGNALS) process.on(signal, () => (isAsked = true))
const place = JSON.parse(process.argv[2] ?? '') as KeeperPlace
// It goes with this process: whoever waits until there is no keeper finds nothing of it. Nothing but its being exported keeps it from the garbage collector.
export const lock = await claimKeeperLock(place)
if (lock !== undefined) {
  const object = call((native) => native.objectOpen(place.pins, ['config', 'watches', 'liveness']))
  checkLayout(object)
  const maps = new KernelMaps(object)
  const config = configOf(maps)
  const number = keeperNumber(place)
  const isSucceeded = (): boolean => config.get('keeper_version') !== number
  config.set('keeper_version', number)
  const addresses = place.addresses.map((text) => IpAddress.parse(text))
  // Its name may be another one by now.
  using netlink = await Netlink.open(place.underlayNetns)
  const { name } = await netlink.links.get(place.uplink)
  const sockets = await BfdSockets.open(addresses, place.underlayNetns, place.vrf?.name, { name, index: place.uplink })
  const poller = Poller.open()
  const keeper = new LivenessKeeper({ maps, config, sockets, poller, isSucceeded })
  keeper.follow()
  const timer = setInterval(() => {
    const order = config.get('keeper_order')
    const areTablesGone = !existsSync(join(place.pins, 'watches'))
    const hasNext = isSucceeded()
    if (order === KEEPER_ORDER.goOn && !areTablesGone && !hasNext && !isAsked) return keeper.follow()
    clearInterval(timer)
    keeper.close(hasNext || order === KEEPER_ORDER.makeRoom)
    if (isAsked && !hasNext) config.set('keeper_version', NO_KEEPER)
    sockets.close()
    poller.close()
    // A process that ends for want of anything to do gives its lock back some time before.
    process.exit()
  }, KEEPER_LOOK)
}
