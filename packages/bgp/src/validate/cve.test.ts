import { describe, expect, it } from 'vitest'
import { CVE_CASES, bytes } from '../../test/malformed/cve-cases.js'
import { decodeMessage, strongestHandling } from '../index.js'

describe.each(CVE_CASES)('$name', ({ hex, handling, notification, options }) => {
  it(`means ${handling}`, () => {
    const result = decodeMessage(bytes(hex), options)
    if (handling === 'session-reset') {
      expect(result).toMatchObject({ ok: false, error: { handling, ...(notification === undefined ? {} : { notification }) } })
    } else {
      if (!result.ok) expect.unreachable(JSON.stringify(result.error))
      expect(strongestHandling(result.errors) ?? 'accept').toBe(handling)
    }
  })

  it('stays a value or an error however it is cut', () => {
    const whole = bytes(hex)
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice(0, length)
      expect(decodeMessage(cut, options).ok).toBe(false)
      if (length < 19) continue
      cut[16] = length >>> 8
      cut[17] = length & 0xff
      decodeMessage(cut, options)
    }
  })
})
