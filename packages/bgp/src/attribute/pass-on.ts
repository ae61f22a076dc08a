import { ATTRIBUTE_FLAG } from '../iana.js'
import type { UnknownAttribute } from './path-attributes.js'
import { attributeCodecOf, attributeShapeOf } from './registry.js'

/**
 * What a speaker passes on of the attributes that it keeps as octets: transitive ones, with the Partial bit set on those that it does not
 * know; non-transitive ones only where it knows them.
 *
 * @see RFC 4271 §5
 */
export function passOn(unknown: readonly UnknownAttribute[]): readonly UnknownAttribute[] {
  return unknown.flatMap((attribute) => {
    if ((attributeShapeOf(attribute.type) ?? attributeCodecOf(attribute.type)) !== undefined) return [attribute]
    if ((attribute.flags & ATTRIBUTE_FLAG.transitive) === 0) return []
    return [{ ...attribute, flags: attribute.flags | ATTRIBUTE_FLAG.partial }]
  })
}
