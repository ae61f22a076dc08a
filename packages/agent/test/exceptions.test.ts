import { expect, it } from 'vitest'
import { Overlay, REFLECTOR, endpoint, hostsOf, routesOf } from './support/overlay.js'

/* A listener that the user of an agent gives it may throw: the agent goes on, and other listeners are told. */

const A = '192.0.2.1'
const B = '192.0.2.2'

function fail(): never {
  throw new TypeError('nobody catches this')
}

it('endpoints are attached, told and taken back, whatever those throw who are told of it', async () => {
  const overlay = new Overlay()
  const reflector = await overlay.startReflector([A])
  const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A))
  const told: string[] = []
  agent.events.on('endpoint', fail).on('endpoint', ({ state }) => told.push(state))
  const pod = endpoint('pod', 'red', '10.0.0.1')
  expect(await agent.endpoints.add(pod)).toMatchObject({ state: 'attached' })
  await overlay.run(1)
  expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(1)
  await agent.endpoints.remove(pod)
  await overlay.run(1)
  expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toEqual([])
  expect(await agent.show('endpoints')).toEqual([])
  expect(told).toContain('attached')
  expect(overlay.logger.records).toContainEqual(expect.objectContaining({ level: 'error', message: 'callback failed' }))
  await overlay.stop(agent)
})

it('another dataplane takes the place of one that is gone, whatever those throw who are told of it', async () => {
  const overlay = new Overlay()
  await overlay.startReflector([A, B])
  const planes = [overlay.dataplane(A), overlay.dataplane(A)]
  const [gone, next] = planes
  const config = overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')] })
  const agent = await overlay.agent(config, () => Promise.resolve(planes.shift() ?? fail()))
  const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2')] }), overlay.dataplane(B))
  const told: string[] = []
  agent.events
    .on('endpoint', fail)
    .on('dataplane', fail)
    .on('dataplane', (state) => told.push(state))
  await overlay.run(1)
  await gone.close()
  await overlay.run(2)
  expect(told).toEqual(['lost', 'replaced'])
  expect(await agent.show('dataplane')).toMatchObject([{ kind: 'memory', devices: 1, failures: [] }])
  expect(await routesOf(agent)).toContain(`*> 10.0.0.2/32 label 17 from ${REFLECTOR}`)
  expect([...(await hostsOf(next)).keys()]).toEqual(['pod'])
  await overlay.stop(agent, b)
})

it('what was taken over is reconciled, whatever those throw who are told of it', async () => {
  const overlay = new Overlay()
  await overlay.startReflector([A])
  const plane = overlay.dataplane(A)
  const first = await overlay.agent(
    overlay.config(A, { vrfs: [{ name: 'blue' }], endpoints: [endpoint('pod', 'blue', '10.0.0.1')] }),
    plane,
  )
  await overlay.run(1)
  await overlay.kill(first)
  const agent = await overlay.agent(overlay.config(A), plane)
  let told = 0
  agent.events.on('reconciled', fail).on('reconciled', () => told++)
  await overlay.run(5)
  expect([told, (await plane.dump()).devices]).toEqual([1, []])
  await overlay.stop(agent)
})
