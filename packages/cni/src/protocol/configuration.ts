import { CniError } from './cni-error.js'
import { CNI_CODES } from './codes.js'
import { readDns, type CniDns } from './dns.js'
import { FieldReader, isObject, type JsonObject } from './json.js'
import { isIdentifier } from './names.js'
import type { CniResult } from './result.js'
import { readResult } from './read-result.js'
import { supportedVersion, versionText, type CniVersion } from './version.js'

/** One attachment, as a runtime names it. */
export interface CniAttachmentName {
  readonly containerId: string
  readonly ifname: string
}

/** A configuration as a runtime hands it to a plugin (CNI 1.1.0, "Execution of Network Configurations"). */
export interface CniConfiguration {
  readonly cniVersion: CniVersion
  /** Name of the network. */
  readonly name: string
  /** File name of the plugin. */
  readonly type: string
  readonly dns: CniDns
  /** `ipam`; its `type` names a delegated plugin. */
  readonly ipam: JsonObject
  /** What the runtime adds for the capabilities that the plugin declares. */
  readonly runtimeConfig: JsonObject
  /** `args.cni`: arguments by convention, such as `ips` and `labels`. */
  readonly args: JsonObject
  /** Result of the plugin before, in a chain, or of ADD; only where the verb looks at it. */
  readonly prevResult?: CniResult
  /** What GC shall keep; absent when the runtime did not say. */
  readonly validAttachments?: readonly CniAttachmentName[]
  /** Everything that was given, for what only one plugin knows, and to hand on. */
  readonly raw: JsonObject
}

/** The object on standard input. @throws CniError 6 when it is none */
export function parseInput(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const found = text.trim() === '' ? 'standard input is empty' : 'standard input is no JSON'
    throw new CniError(CNI_CODES.decoding, found, (cause as SyntaxError).message, { cause })
  }
  if (!isObject(value)) throw new CniError(CNI_CODES.decoding, 'standard input is no JSON object')
  return value
}

/** What of a configuration a verb looks at: what it does not, may be wrong without harm. */
export interface ConfigurationParts {
  readonly prevResult?: boolean
  readonly validAttachments?: boolean
}

/** Reads a network configuration. @throws CniError 1 for a version that is not spoken, 6 for one that is none, 7 for what is missing or wrong */
export function readConfiguration(raw: JsonObject, parts: ConfigurationParts = {}): CniConfiguration {
  const cniVersion = supportedVersion(versionText(raw['cniVersion']))
  const fields = new FieldReader(raw, CNI_CODES.invalidConfiguration)
  const name = fields.text('name') ?? fields.fail('name', 'the name of a network')
  if (!isIdentifier(name)) fields.fail('name', 'a letter or digit, then letters, digits, "_", "." and "-"')
  const prevResult = parts.prevResult === true ? fields.object('prevResult')?.fields : undefined
  const validAttachments = parts.validAttachments === true ? readValidAttachments(fields) : undefined
  return {
    cniVersion,
    name,
    type: fields.text('type') ?? fields.fail('type', 'the file name of the plugin'),
    dns: readDns(fields.object('dns')),
    ipam: fields.object('ipam')?.fields ?? {},
    runtimeConfig: fields.object('runtimeConfig')?.fields ?? {},
    args: fields.object('args')?.object('cni')?.fields ?? {},
    ...(prevResult === undefined ? {} : { prevResult: readPrevResult(prevResult, cniVersion) }),
    ...(validAttachments === undefined ? {} : { validAttachments }),
    raw,
  }
}

/** A `prevResult` may state its own version: a runtime that keeps results writes it in. */
function readPrevResult(value: JsonObject, version: CniVersion): CniResult {
  const own = value['cniVersion'] === undefined ? version : supportedVersion(versionText(value['cniVersion']))
  return readResult(value, own, CNI_CODES.invalidConfiguration, 'prevResult')
}

/** `cni.dev/valid-attachments`, or the key under which an earlier runtime library sends the same list. */
function readValidAttachments(fields: FieldReader): readonly CniAttachmentName[] | undefined {
  const key = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((name) => (fields.fields[name] ?? undefined) !== undefined)
  return key === undefined
    ? undefined
    : fields.objects(key).map((one) => ({
        containerId: one.text('containerID') ?? one.fail('containerID', 'a container ID'),
        ifname: one.text('ifname') ?? one.fail('ifname', 'the name of an interface'),
      }))
}
