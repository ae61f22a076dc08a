import { backendName } from './backend-name.js'
import type { ServiceHealth } from './service-health.js'

/** What is thought of backends that this node asks, and how often it asked, as OpenMetrics text without its end line; empty where none is asked. */
export function healthMetrics(health: Pick<ServiceHealth, 'list'>): string {
  const asked = health.list().filter(({ isAsked }) => isAsked)
  if (asked.length === 0) return ''
  const samples = asked.map(({ service, backend, isDown, answers }) => {
    return { labels: `vrf="${service.vrf}",service="${service.name}",backend="${backendName(backend)}"`, isDown, answers }
  })
  return [
    '# TYPE service_backend_up gauge',
    ...samples.map(({ labels, isDown }) => `service_backend_up{${labels}} ${isDown ? 0 : 1}`),
    '# TYPE service_probes counter',
    ...samples.flatMap(({ labels, answers: { good, bad } }) => [
      `service_probes_total{${labels},result="answered"} ${good}`,
      `service_probes_total{${labels},result="failed"} ${bad}`,
    ]),
    '',
  ].join('\n')
}
