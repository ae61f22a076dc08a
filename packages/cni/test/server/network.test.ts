import { describe, expect, it } from 'vitest'
import { call } from '../support/calls.js'
import { fakeNode, networks } from '../support/fake-node.js'

const at = fakeNode()

describe('the network of an ADD', () => {
  it("chooses the network by the pod's Kubernetes namespace, unless an annotation names one", async () => {
    const tenants = networks.map((network) => (network.name === 'blue' ? { ...network, namespaces: ['tenant-b'] } : network))
    const place = await at.create({ networks: tenants, annotation: 'heddle.dev/network' })
    const pod = (id: string, namespace: string, annotation?: string): Parameters<typeof call>[2] => ({
      id,
      netns: `/${id}`,
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${id}`,
      ...(annotation === undefined
        ? {}
        : { config: { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': annotation } } } }),
    })
    for (const options of [pod('a', 'tenant-b'), pod('b', 'tenant-c'), pod('c', 'tenant-b', 'red')])
      expect((await call(place, 'ADD', options)).json.msg).toBeUndefined()
    expect(place.attachments().map(({ containerId, network }) => `${containerId} ${network}`)).toEqual(['a blue', 'b red', 'c red'])
  })

  it("chooses the network by the pod's annotation, when that is allowed", async () => {
    const config = { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': 'blue' } } }
    expect((await call(at.cni, 'ADD', { config })).exitCode).toBe(0)
    expect(at.places()[0]).toMatch(/^red/)
    await call(at.cni, 'DEL')
    const annotated = await at.create({ annotation: 'heddle.dev/network' })
    await call(annotated, 'ADD', { config })
    expect(at.places()[0]).toMatch(/^blue/)
    const wrong = await call(annotated, 'ADD', {
      id: 'c2',
      netns: '/n2',
      config: { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': 'green' } } },
    })
    expect(wrong.json).toMatchObject({ code: 7, msg: expect.stringContaining('the annotation heddle.dev/network is "green"') as string })
    const chosen = await at.create({ networks: ({ args }) => networks.find(({ name }) => name === args['K8S_POD_NAMESPACE']) })
    expect((await call(chosen, 'ADD', { id: 'c3', netns: '/n3', args: 'K8S_POD_NAMESPACE=blue' })).exitCode).toBe(0)
    expect(at.places().at(-1)).toMatch(/^blue/)
  })
})
