import { addressOf } from '@heddle/bgp'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'

/** What the formats of Heddle's schemas accept. */
export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'ip-address': (text) => IpAddress.tryParse(text) !== undefined,
  'neighbor-address': (text) => isAccepted(() => addressOf(text)),
  'ip-prefix': (text) => isAccepted(() => IpPrefix.parse(text)),
  'ip-host': (text) => isAccepted(() => IpPrefix.parse(text)) && IpPrefix.parse(text).isHost,
  'router-id': (text) => {
    const address = IpAddress.tryParse(text)
    return address?.family === 4 && !address.isUnspecified
  },
  'next-hop': (text) => text === 'discard' || IpAddress.tryParse(text) !== undefined,
  'route-distinguisher': (text) => isAccepted(() => RouteDistinguisher.parse(text)),
  'route-target': (text) => isAccepted(() => RouteTarget.parse(text)),
}

/** Whether the parser takes the text. */
function isAccepted(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}
