import { describe, expect, it } from 'vitest'
import { serveMetrics } from '../src/node/index.js'

describe('metrics over HTTP', () => {
  it('are what they are at the time, under one path, until it is closed', async () => {
    let calls = 0
    const listener = await serveMetrics(() => `cni_attachments ${++calls}\n`, { address: '127.0.0.1', port: 0 })
    const get = async (path: string, method = 'GET'): Promise<Response> => fetch(new URL(path, listener.url), { method })
    for (const expected of ['cni_attachments 1\n# EOF\n', 'cni_attachments 2\n# EOF\n']) {
      const answer = await get('/metrics?x=1')
      expect([answer.status, await answer.text()]).toEqual([200, expected])
      expect(answer.headers.get('content-type')).toMatch(/^application\/openmetrics-text; version=1\.0\.0/)
    }
    expect([(await get('/')).status, (await get('/metrics', 'POST')).status]).toEqual([404, 404])
    await listener.close()
    await listener.close()
    await expect(fetch(listener.url)).rejects.toThrow()
  })

  it("are refused where the address is another one's", async () => {
    const listener = await serveMetrics(() => '', { address: '127.0.0.1', port: 0 })
    await expect(serveMetrics(() => '', { address: '127.0.0.1', port: Number(new URL(listener.url).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await listener.close()
  })
})
