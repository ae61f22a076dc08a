export { tunDataplane, type TunDataplane, type TunDataplaneOptions } from './tun-dataplane.js'
export { underlayMtu, type UnderlayMtuOptions } from './underlay-mtu.js'
