import { CniError } from './cni-error.js'
import { CNI_CODES } from './codes.js'

/** Versions of the specification that are spoken, oldest first. */
export const CNI_VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const

/** One of `CNI_VERSIONS`. */
export type CniVersion = (typeof CNI_VERSIONS)[number]

/** The newest version that is spoken. */
export const NEWEST_VERSION: CniVersion = '1.1.0'

/** What a configuration without `cniVersion` means (as the reference library reads it). */
const UNSTATED_VERSION = '0.1.0'

/** Whether `version` is not older than `least`. */
export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(least)
}

/**
 * The newest of `offered` that is spoken and not newer than `most`; `undefined` when there is none.
 *
 * @param offered any texts
 */
export function bestVersion(offered: readonly string[], most: CniVersion = NEWEST_VERSION): CniVersion | undefined {
  return CNI_VERSIONS.findLast((version) => offered.includes(version) && isAtLeast(most, version))
}

/** The text of `cniVersion`. @throws CniError 6 when it is there and no version at all */
export function versionText(value: unknown): string {
  if (value === undefined || value === '') return UNSTATED_VERSION
  if (typeof value === 'string' && /^\d+\.\d+\.\d+$/.test(value)) return value
  throw new CniError(CNI_CODES.decoding, `cniVersion ${JSON.stringify(value)} is no version`, 'allowed: MAJOR.MINOR.PATCH, such as 1.1.0')
}

/** @throws CniError 1 naming the version, and in its details those that are spoken */
export function supportedVersion(text: string): CniVersion {
  const version = CNI_VERSIONS.find((known) => known === text)
  if (version === undefined) {
    throw new CniError(
      CNI_CODES.incompatibleVersion,
      `cniVersion ${text} is not supported`,
      `supported versions: ${CNI_VERSIONS.join(', ')}`,
    )
  }
  return version
}
