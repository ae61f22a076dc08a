import { vi } from 'vitest'
import type * as Inspection from '../../src/inspect-kernel.js'
import { native } from '../../src/native/load.js'
import type * as Probe from '../../src/probe.js'

type FeatureName = Probe.EbpfFeatureName

/** Of all that is tried; to try it takes its time. */
let names: readonly FeatureName[] | undefined

/**
 * What is made of a kernel that lacks features, each with the reason that trying it gave; what was found of this one stays for everybody else.
 *
 * @param untold features that the native part says nothing of
 */
export async function probed(
  lacking: Readonly<Partial<Record<FeatureName, string>>>,
  untold: readonly FeatureName[] = [],
): Promise<typeof Probe & Pick<typeof Inspection, 'inspectKernel'>> {
  names ??= native()
    .probeFeatures()
    .map(({ name }) => name as FeatureName)
  const found = names.filter((name) => !untold.includes(name)).map((name) => ({ name, reason: lacking[name] ?? '' }))
  const probe = vi.spyOn(native(), 'probeFeatures').mockReturnValue(found)
  vi.resetModules()
  try {
    const fresh = await import('../../src/probe.js')
    const { inspectKernel } = await import('../../src/inspect-kernel.js')
    fresh.ebpfFeatures()
    return { ...fresh, inspectKernel }
  } finally {
    probe.mockRestore()
    vi.resetModules()
  }
}
