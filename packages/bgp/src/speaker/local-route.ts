import { ByteWriter, ValueError } from '@heddle/wire'
import type { Nlri } from '../nlri/nlri.js'
import { encodeNlri } from '../nlri/registry.js'
import type { LocalRoute } from './route.js'
import { SpeakerError } from './speaker-error.js'

/** Path identifier of a route; 0 without. */
export function pathIdOf(nlri: Nlri): number {
  return 'pathId' in nlri ? (nlri.pathId ?? 0) : 0
}

/** @param at where the route stands in what was given @throws SpeakerError `speaker.route` when it cannot stand on the wire */
export function checkRoute({ family, nlri, attributes }: LocalRoute, at: string): void {
  try {
    encodeNlri(nlri, new ByteWriter(64), family, { addPath: false, withdraw: false })
    if (attributes?.localPref !== undefined && !(attributes.localPref >= 0 && attributes.localPref <= 0xffff_ffff)) {
      throw new ValueError('bgp.local-pref', String(attributes.localPref), '0–4,294,967,295')
    }
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.route', at, cause.message, { cause })
  }
}
