import { CAPABILITY } from '../iana.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import { readText, writeText } from './fqdn.js'

/** Software version (draft-ietf-idr-software-version §2): text behind its length. */
export const softwareVersionCapability: CapabilityCodec<CapabilityOf<'software-version'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'software-version'>>
>({
  code: CAPABILITY.softwareVersion,
  kind: 'software-version',
  rfc: 'draft-ietf-idr-software-version §2',
  decode(input) {
    return { kind: 'software-version', version: readText(input, this.rfc) }
  },
  encode({ version }, out) {
    writeText(out, version)
  },
})
