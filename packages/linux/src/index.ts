export type { AddAddressOptions, Addresses, LinkAddress } from './address.js'
export { BfdSockets, type BfdExpected, type BfdReceiver, type BfdUplink, type BfdWay, type IsOfUplink } from './bfd-sockets.js'
export { DATAGRAM_BATCH, DATAGRAM_DESCRIPTOR, readAddressWords, writeAddressWords } from './datagram-descriptor.js'
export {
  closeDescriptor,
  duplicateDescriptor,
  offerDescriptors,
  takeDescriptors,
  type Handover,
  type HandoverOptions,
} from './descriptor-handover.js'
export type { Link, LinkChange, LinkReference, Links, RaiseVethOptions, VethEnds, VethOptions } from './link.js'
export type { LinkSetup, SetupAddress } from './link-setup.js'
export { checksumDrops, linkDrops, socketDrops, socketNumber, type LinkDrops } from './kernel-drops.js'
export { LinkReaper, type LinkReaperOptions } from './link-reaper.js'
export { LinuxError, UnsupportedError } from './linux-error.js'
export { nativeCalls, type NativeCalls } from './native/native-calls.js'
export { nativeAvailability, type NativeAvailability } from './native/availability.js'
export { NativeUnavailableError, type LoadAttempt } from './native/unavailable-error.js'
export type { Neighbour, NeighbourOptions, Neighbours, NeighbourState } from './neighbour.js'
export { Netlink } from './netlink.js'
export { NetworkNamespace, type NamespaceReference } from './network-namespace.js'
export { PACKET_DESCRIPTOR } from './packet-descriptor.js'
export { PacketSocket, type PacketOptions } from './packet-socket.js'
export { Poller, READINESS, type Watch } from './poller.js'
export { errnoName, probe, requireFeatures, type Feature, type FeatureName, type Probe } from './probe.js'
export { RawSocket, type RawOptions } from './raw-socket.js'
export { linuxRouterDiscovery, type LinuxRouterDiscoveryOptions } from './router-discovery/router-discovery.js'
export type { Route, RouteKind, RouteLookup, RouteLookupOptions, RouteNextHop, RouteOptions, Routes } from './route.js'
export {
  addTcpAoKey,
  deleteTcpAoKey,
  setTcpMd5Key,
  setTcpMinimumTtl,
  setTcpTtl,
  useTcpAoKey,
  type TcpAoMasterKey,
  type TcpKeyPeers,
} from './tcp/options.js'
export { linuxTcpTransport, type LinuxTcpOptions } from './tcp/transport.js'
export { splitTrain, type TrainWords } from './train.js'
export { TUN_DESCRIPTOR } from './tun-descriptor.js'
export { TunDevice, type AdoptTunOptions, type TunOptions } from './tun-device.js'
export { UdpBatchSocket, type DatagramOptions, type SocketEnd, type UdpOptions } from './udp-batch-socket.js'
export { WOKEN, Waiter, wakeWaiter } from './waiter.js'
