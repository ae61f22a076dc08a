import type { MirrorObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { View } from '../layout/struct.js'
import { MAX_REQUEST, REQUEST } from '../layout/structs/objects.js'

/** Whether the map has room for what a mirror is asked for. */
export function fitsMirror(mirror: MirrorObject): boolean {
  return textOf(mirror).length <= MAX_REQUEST
}

/** A mirror as its value in the map, for `dump` and for the dataplane that comes after this one. */
export function encodeMirror(mirror: MirrorObject): Uint8Array {
  const text = textOf(mirror)
  const view = new View(REQUEST).set('length', text.length)
  view.octets('text').set(text)
  return view.bytes
}

export function decodeMirror(id: number, bytes: Uint8Array): MirrorObject {
  const view = new View(REQUEST, bytes)
  const text = new TextDecoder().decode(view.octets('text').subarray(0, view.get('length')))
  const { ports, snapLength, sink } = JSON.parse(text) as Written
  return {
    id,
    ports,
    ...(snapLength === undefined ? {} : { snapLength }),
    sink: sink.type === 'stream' ? sink : { ...sink, local: IpAddress.parse(sink.local), remote: IpAddress.parse(sink.remote) },
  }
}

interface Written extends Pick<MirrorObject, 'ports' | 'snapLength'> {
  readonly sink:
    | { readonly type: 'stream' }
    | { readonly type: 'erspan'; readonly local: string; readonly remote: string; readonly session: number }
}

/** Values of the contract write themselves as text. */
function textOf({ ports, snapLength, sink }: MirrorObject): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ ports, snapLength, sink }))
}
