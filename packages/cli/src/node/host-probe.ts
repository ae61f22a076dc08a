import { transportProbe, type HealthProbe } from '@heddle/agent'

/** Asks backends by sockets inside the network namespaces of their endpoints. Needs CAP_SYS_ADMIN and the native part of `@heddle/linux`. */
export const hostProbe: HealthProbe = transportProbe(async (netns) => {
  const { linuxTcpTransport } = await import('@heddle/linux')
  return linuxTcpTransport({ namespace: netns })
})
