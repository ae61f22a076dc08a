export { label, labelStack, labelStackEntry } from './labels.js'
export { mplsOverEthernetOptions, mplsOverGreOptions, mplsOverUdpOptions, tunnel, vxlanOptions, type TunnelCase } from './tunnels.js'
