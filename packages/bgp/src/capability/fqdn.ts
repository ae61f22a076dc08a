import { ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { CAPABILITY } from '../iana.js'
import { decodeText, encodeText } from '../message/text.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'

/** FQDN (draft-walton-bgp-hostname-capability §3): host name and domain name, each behind its length. */
export const fqdnCapability: CapabilityCodec<CapabilityOf<'fqdn'>> = Object.freeze<CapabilityCodec<CapabilityOf<'fqdn'>>>({
  code: CAPABILITY.fqdn,
  kind: 'fqdn',
  rfc: 'draft-walton-bgp-hostname-capability §3',
  decode(input) {
    const hostname = readText(input, this.rfc)
    // Some speakers leave the empty domain out altogether.
    return { kind: 'fqdn', hostname, domain: input.remaining > 0 ? readText(input, this.rfc) : '' }
  },
  encode({ hostname, domain }, out) {
    writeText(out, hostname)
    writeText(out, domain)
  },
})

/** UTF-8 behind an octet of length. @throws WireError `bgp.capability.text` */
export function readText(input: ByteReader, rfc: string): string {
  return decodeText(input.octets(input.u8())) ?? input.fail('bgp.capability.text', rfc)
}

/** @throws ValueError `bgp.capability.text` beyond 255 octets */
export function writeText(out: ByteWriter, text: string): void {
  const bytes = encodeText(text)
  if (bytes.length > 255) throw new ValueError('bgp.capability.text', `${bytes.length} octets`, 'at most 255')
  out.u8(bytes.length).octets(bytes)
}
