export type { BgpConfig, NeighborConfig, NetworkConfig, NodeConfig, SpeakerConfig, VrfConfig } from './config.js'
