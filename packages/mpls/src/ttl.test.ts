import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { outerDscp, poppedDscp, poppedTrafficClass, pushedTrafficClass } from './traffic-class.js'
import { decrementTtl, PIPE_TTL, poppedTtl, pushedTtl, swappedTtl, TTL_EXPIRED, type TunnelModel } from './ttl.js'

const model = fc.constantFrom<TunnelModel>('uniform', 'pipe')

/** A packet that entered the tunnel with `inner`, already decremented, after so many routers that swapped its label; the TTL it leaves with. */
function through(tunnel: TunnelModel, inner: number, swaps: number): number {
  let label = pushedTtl(tunnel, inner)
  for (let hop = 0; hop < swaps; hop++) {
    label = swappedTtl(label)
    if (label === TTL_EXPIRED) return TTL_EXPIRED
  }
  return poppedTtl(tunnel, label, inner)
}

describe('TTL (RFC 3443)', () => {
  it('counts every hop of a uniform tunnel, the one that pops too', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(255), (inner, swaps) => {
        const left = inner - swaps - 1
        expect(through('uniform', inner, swaps)).toBe(left > 0 ? left : TTL_EXPIRED)
      }),
    )
  })

  it('counts no hop of a pipe', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(PIPE_TTL - 1), (inner, swaps) => {
        expect(through('pipe', inner, swaps)).toBe(inner)
      }),
    )
    expect(through('pipe', 64, PIPE_TTL)).toBe(TTL_EXPIRED) // not even a pipe is endless
  })

  it('is never raised by a tunnel, whatever is in its headers', () => {
    fc.assert(
      fc.property(model, fc.nat(255), fc.nat(255), (tunnel, popped, inner) => {
        const left = poppedTtl(tunnel, popped, inner)
        expect(left === TTL_EXPIRED || left <= inner).toBe(true)
      }),
    )
  })

  it('runs out at 0 and at 1', () => {
    expect([0, 1, 2, 255].map(decrementTtl)).toEqual([TTL_EXPIRED, TTL_EXPIRED, 1, 254])
    expect([0, 1, 2].map((popped) => poppedTtl('uniform', popped, 64))).toEqual([TTL_EXPIRED, TTL_EXPIRED, 1])
    expect([0, 1, 2].map((popped) => poppedTtl('pipe', popped, 64))).toEqual([TTL_EXPIRED, 64, 64])
  })
})

describe('traffic class (RFC 3270)', () => {
  it('carries the class selector through a uniform tunnel, and leaves DSCP as it was when nobody changed it', () => {
    fc.assert(
      fc.property(fc.nat(63), fc.nat(7), (dscp, changed) => {
        const pushed = pushedTrafficClass('uniform', dscp)
        expect(pushed).toBe(Math.floor(dscp / 8))
        expect(poppedDscp('uniform', pushed, dscp)).toBe(dscp)
        if (changed !== pushed) expect(poppedDscp('uniform', changed, dscp)).toBe(changed * 8)
        expect(outerDscp('uniform', dscp)).toBe(dscp)
        expect(poppedTrafficClass('uniform', changed, pushed)).toBe(changed)
      }),
    )
  })

  it('keeps what is inside a pipe apart from what is outside', () => {
    fc.assert(
      fc.property(fc.nat(63), fc.nat(7), fc.nat(63), (dscp, own, outer) => {
        expect(pushedTrafficClass('pipe', dscp, own)).toBe(own)
        expect(poppedDscp('pipe', own, dscp)).toBe(dscp)
        expect(outerDscp('pipe', dscp, outer)).toBe(outer)
        expect(poppedTrafficClass('pipe', own, 3)).toBe(3)
      }),
    )
  })
})
