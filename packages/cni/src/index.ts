export type { PluginCall, PluginRunner } from './ipam/delegated-addresses.js'
export type { BlockRegistry, SharedPool } from './ipam/block-registry.js'
export type { Allocation, AllocationRequest, AddressSpace, PoolIpamOptions, PoolUsage } from './ipam/pool-ipam.js'
export { PoolIpam } from './ipam/pool-ipam.js'
export type { PoolDefinition } from './ipam/pool.js'
export { CniError } from './protocol/cni-error.js'
export { CNI_CODES } from './protocol/codes.js'
export {
  parseInput,
  readConfiguration,
  type CniAttachmentName,
  type CniConfiguration,
  type ConfigurationParts,
} from './protocol/configuration.js'
export type { CniDns } from './protocol/dns.js'
export { CNI_VERBS, readParameters, readVerb, type CniParameters, type CniVerb, type Environment } from './protocol/environment.js'
export type { JsonObject } from './protocol/json.js'
export { readRequest, type CniRequest } from './protocol/request.js'
export { answerVersion, errorResponse, resultResponse, versionResponse, type CniResponse } from './protocol/response.js'
export { readResult } from './protocol/read-result.js'
export { formatResult, ipv4First, type CniInterface, type CniIp, type CniResult, type CniRoute } from './protocol/result.js'
export { bestVersion, CNI_VERSIONS, NEWEST_VERSION, type CniVersion } from './protocol/version.js'
export { JournaledStore, type Journal } from './store/journaled-store.js'
export { memoryStore } from './store/memory-store.js'
export { StoreError, type Durability, type Store, type StoreChange, type StoreErrorCode } from './store/store.js'
export type { Attachment } from './server/attachment.js'
export { createCni, type Cni, type CniOptions, type NotReady } from './server/create-cni.js'
export type { NamespaceInspector, SeenInterface, SeenRoute } from './server/inspector.js'
export { NODE_ADDRESS_PREFIXES, type NodeAddressOptions } from './server/node-addresses.js'
export type { NodeAddressPair, NodeTranslator } from './server/node-translator.js'
export type { CniNetwork, NetworkQuery, NetworkSource } from './server/network.js'
