import { withTrafficClass, type Ip } from './ip.js'

/** The packet behind a label of the uniform model: a class that changed on the way is the packet's new class selector (RFC 3270 §2.6.2). */
export function popTrafficClass(ip: Ip, trafficClass: number): Ip {
  return ip.trafficClass >> 5 === trafficClass ? ip : withTrafficClass(ip, trafficClass * 32 + (ip.trafficClass % 4))
}

/** The packet with what the outer header says of congestion, or undefined when that is a loss (RFC 6040 figure 4). */
export function passEcn(ip: Ip, outer: number): Ip | undefined {
  const [notCapable, ect1, ect0, congested] = [0, 1, 2, 3]
  const inner = ip.trafficClass % 4
  const seen = outer % 4
  if (seen === congested && inner === notCapable) return undefined
  const after = seen === congested ? congested : seen === ect1 && inner === ect0 ? ect1 : inner
  return withTrafficClass(ip, ip.trafficClass - inner + after)
}
