/** Why a plugin could not be installed or removed. */
export class CniInstallError extends Error {
  override readonly name = 'CniInstallError'

  constructor(
    readonly code: 'cni.client-missing' | 'cni.not-served' | 'cni.install',
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
