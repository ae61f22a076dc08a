import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniConfiguration } from '../protocol/configuration.js'
import type { CniVerb } from '../protocol/environment.js'
import { FieldReader, isObject, type JsonObject } from '../protocol/json.js'
import { readResult } from '../protocol/read-result.js'
import type { CniResponse } from '../protocol/response.js'
import { addressOf } from '../protocol/result.js'
import { bestVersion, isAtLeast, NEWEST_VERSION, supportedVersion, versionText, type CniVersion } from '../protocol/version.js'
import type { AddressContext, AddressGrant, AddressSource } from '../server/address-source.js'
import type { CniNetwork } from '../server/network.js'

/** One run of another plugin. */
export interface PluginCall {
  /** File name of the plugin. */
  readonly type: string
  /** Folders that are looked through for it. */
  readonly path: readonly string[]
  /** The `CNI_*` variables. */
  readonly environment: Readonly<Record<string, string>>
  /** Standard input. */
  readonly input: string
}

/** Runs other plugins. @throws CniError 104 when one cannot be run, 11 when it does not end in time */
export type PluginRunner = (call: PluginCall, signal?: AbortSignal) => Promise<CniResponse>

/**
 * Addresses from the plugin that `ipam.type` names (CNI 1.1.0, "Delegation"): it gets the environment and the whole configuration, in the newest
 * version that both speak.
 */
export class DelegatedAddresses implements AddressSource {
  readonly #run: PluginRunner
  readonly #versions = new Map<string, readonly string[]>()

  constructor(run: PluginRunner) {
    this.#run = run
  }

  async prepare({ cniVersion, raw }: CniConfiguration, path: readonly string[]): Promise<void> {
    await this.#versionOf(typeOf(raw), path, cniVersion)
  }

  async grant(context: AddressContext, _network: CniNetwork, signal?: AbortSignal): Promise<AddressGrant> {
    const { version, output } = await this.#ask('ADD', context, context.config.raw, signal)
    const result = readResult(parsed(output, typeOf(context.config.raw)), version, CNI_CODES.delegate, 'the result of address management')
    if (result.ips.length === 0) throw new CniError(CNI_CODES.delegate, `${typeOf(context.config.raw)} gave no address`)
    // Interfaces are not its business, and what an index of it would mean is not known here.
    const ips = result.ips.map(({ address, gateway }) => ({ address, ...(gateway === undefined ? {} : { gateway }) }))
    return { addresses: ips.map(addressOf), ips, routes: result.routes, dns: result.dns }
  }

  async release(context: AddressContext): Promise<void> {
    await this.#ask('DEL', context, context.config.raw)
  }

  async check(context: AddressContext, config: CniConfiguration): Promise<void> {
    await this.#ask('CHECK', context, config.raw)
  }

  async status(config: CniConfiguration, path: readonly string[]): Promise<void> {
    await this.#ask('STATUS', { path }, config.raw)
  }

  async collect(config: CniConfiguration, path: readonly string[]): Promise<void> {
    await this.#ask('GC', { path }, config.raw)
  }

  /** A verb that the plugin's version does not have is taken as done. */
  async #ask(
    verb: CniVerb,
    context: Partial<AddressContext>,
    raw: JsonObject,
    signal?: AbortSignal,
  ): Promise<{ version: CniVersion; output: string }> {
    const { path = [] } = context
    const type = typeOf(raw)
    const version = await this.#versionOf(type, path, supportedVersion(versionText(raw['cniVersion'])))
    const since = verb === 'CHECK' ? '0.4.0' : verb === 'GC' || verb === 'STATUS' ? '1.1.0' : '0.3.1'
    if (!isAtLeast(version, since)) return { version, output: '' }
    const input = JSON.stringify({ ...raw, cniVersion: version })
    const { exitCode, output } = await this.#run({ type, path, environment: environmentOf(verb, context), input }, signal)
    if (exitCode !== 0) throw failure(output, type)
    return { version, output }
  }

  async #versionOf(type: string, path: readonly string[], most: CniVersion): Promise<CniVersion> {
    const key = `${type}\0${path.join(':')}`
    let offered = this.#versions.get(key)
    if (offered === undefined) {
      const input = JSON.stringify({ cniVersion: NEWEST_VERSION })
      const { output } = await this.#run({ type, path, environment: { CNI_COMMAND: 'VERSION', CNI_PATH: path.join(':') }, input })
      offered = FieldReader.of(parsed(output, type), CNI_CODES.delegate, `VERSION of ${type}`).texts('supportedVersions')
      this.#versions.set(key, offered)
    }
    const version = bestVersion(offered, most)
    if (version !== undefined) return version
    throw new CniError(CNI_CODES.incompatibleVersion, `${type} speaks no version up to ${most}`, `it speaks ${offered.join(', ')}`)
  }
}

/** Name of the plugin that a configuration delegates to; `undefined` for own pools. @throws CniError 7 for a path */
export function delegateOf(ipam: unknown): string | undefined {
  const type = isObject(ipam) ? ipam['type'] : undefined
  if (type === undefined || type === null || type === '' || type === 'heddle') return undefined
  if (typeof type === 'string' && /^[^/\0]+$/.test(type) && !/^\.\.?$/.test(type)) return type
  throw new CniError(CNI_CODES.invalidConfiguration, `ipam.type is ${JSON.stringify(type)}; allowed: the file name of a plugin`)
}

function typeOf(raw: JsonObject): string {
  return delegateOf(raw['ipam']) ?? 'heddle'
}

function environmentOf(
  verb: CniVerb,
  { containerId, netns, ifname, args = {}, path = [] }: Partial<AddressContext>,
): Record<string, string> {
  const pairs = Object.entries(args).map(([key, value]) => `${key}=${value}`)
  const all = { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: ifname, CNI_ARGS: pairs.join(';'), CNI_PATH: path.join(':') }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
  return { CNI_COMMAND: verb, ...Object.fromEntries(given) }
}

function parsed(output: string, type: string): unknown {
  try {
    return JSON.parse(output)
  } catch (cause) {
    throw new CniError(CNI_CODES.delegate, `${type} answered what is no JSON`, output.slice(0, 200), { cause })
  }
}

/** The plugin's own error, handed on. */
function failure(output: string, type: string): CniError {
  const value = parsed(output, type)
  const { code, msg, details } = isObject(value) ? value : {}
  const text = typeof msg === 'string' ? msg : 'failed without saying why'
  return new CniError(
    typeof code === 'number' && code > 0 ? code : CNI_CODES.delegate,
    `${type}: ${text}`,
    typeof details === 'string' ? details : '',
  )
}
