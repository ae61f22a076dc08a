import { MacAddress, type IpAddress } from '@heddle/wire'

/**
 * A MAC address of a device by the address that it has, locally administered: what is told of a device that has none, as a TUN, since Podman 4 takes
 * no interface without one.
 */
export function macOf({ family, w0, w3 }: IpAddress): string {
  const low = family === 4 ? w0 : w3
  return String(MacAddress.of(0x02_58_00 | (low >>> 24), low))
}
