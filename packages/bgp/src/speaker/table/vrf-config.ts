import { RouteDistinguisher, RouteTarget, ValueError } from '@heddle/wire'
import { isUsableAs } from '../../session/local-open.js'
import type { VrfConfig } from '../config.js'
import { SpeakerError } from '../speaker-error.js'

/** A VRF's configuration, checked. */
export interface Vrf {
  readonly name: string
  readonly rd: RouteDistinguisher
  /** Texts of route targets. */
  readonly importTargets: ReadonlySet<string>
  readonly exportTargets: readonly RouteTarget[]
  readonly label: number
  /** By which customers know us; absent: that of the speaker. */
  readonly as?: number
}

/** @throws SpeakerError `speaker.config` */
export function vrfsOf(configs: readonly VrfConfig[]): Vrf[] {
  const names = new Set<string>()
  return configs.map(({ name, rd, importTargets = [], exportTargets = [], label, as }, at): Vrf => {
    const where = `vrfs[${at}]`
    if (name === '' || names.has(name))
      throw new SpeakerError('speaker.config', `${where}.name`, `'${name}' is ${name === '' ? 'empty' : 'there already'}`)
    names.add(name)
    if (!(Number.isInteger(label) && label >= 16 && label <= 0xf_ffff)) {
      throw new SpeakerError('speaker.config', `${where}.label`, `${label} is not 16–1048575`)
    }
    if (as !== undefined && !isUsableAs(as)) throw new SpeakerError('speaker.config', `${where}.as`, `${as} is not an AS number`)
    const targets = (texts: readonly string[], key: string): RouteTarget[] =>
      texts.map((text, position) => parsed(() => RouteTarget.parse(text), `${where}.${key}[${position}]`))
    return {
      name,
      rd: parsed(() => RouteDistinguisher.parse(rd), `${where}.rd`),
      importTargets: new Set(targets(importTargets, 'importTargets').map(String)),
      exportTargets: targets(exportTargets, 'exportTargets'),
      label,
      ...(as === undefined ? {} : { as }),
    }
  })
}

function parsed<T>(parse: () => T, at: string): T {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.config', at, cause.message, { cause })
  }
}
