import type { IntentProblem } from '@heddle/core'
import type { AgentConfig } from '../config.js'
import type { ServiceHealth } from './service-health.js'

/** Services whose backends shall be asked where nothing can ask them, as problems of a configuration. */
export function unaskedServices(
  { traffic }: Pick<AgentConfig, 'traffic'>,
  { canAsk }: Pick<ServiceHealth, 'canAsk'>,
): readonly IntentProblem[] {
  const asking = canAsk ? [] : (traffic?.services ?? []).filter(({ health }) => health !== undefined)
  return asking.map(({ name }) => ({
    code: 'intent.unsupported',
    subject: `service ${name}`,
    message: 'its backends cannot be asked for their health here: nothing reaches into the namespaces of endpoints',
  }))
}
