// Keeps BFD sessions up while the process of the tables is dead or busy. One a node; it ends when it is told to, or when the tables are gone.
import { BfdSockets, Poller } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LivenessKeeper } from './liveness/keeper.js'
import { KEEPER_LOOK, KEEPER_ORDER, claimKeeperLock, keeperNumber, type KeeperPlace } from './liveness/keeper-process.js'
import { call } from './native/call.js'
import { configOf } from './tables/config.js'
import { KernelMaps } from './tables/kernel-maps.js'

const place = JSON.parse(process.argv[2] ?? '') as KeeperPlace
const lock = await claimKeeperLock(place)
if (lock !== undefined) {
  const object = call((native) => native.objectOpen(place.pins, ['config', 'watches', 'liveness']))
  const maps = new KernelMaps(object)
  const config = configOf(maps)
  const number = keeperNumber(place)
  const isSucceeded = (): boolean => config.get('keeper_version') !== number
  config.set('keeper_version', number)
  const addresses = place.addresses.map((text) => IpAddress.parse(text))
  const sockets = await BfdSockets.open(addresses, place.underlayNetns, place.vrf?.name)
  const poller = Poller.open()
  const keeper = new LivenessKeeper({ maps, config, sockets, poller, isSucceeded })
  keeper.follow()
  const timer = setInterval(() => {
    const order = config.get('keeper_order')
    const areTablesGone = !existsSync(join(place.pins, 'watches'))
    const hasNext = isSucceeded()
    if (order === KEEPER_ORDER.goOn && !areTablesGone && !hasNext) return keeper.follow()
    clearInterval(timer)
    keeper.close(hasNext || order === KEEPER_ORDER.makeRoom)
    sockets.close()
    poller.close()
    lock.release()
  }, KEEPER_LOOK)
}
