import { PREFIX } from './address.js'
import { Struct } from '../struct.js'

/* Structures of mirrors and traces: `bpf/layout/observe.h`. */

export const OBSERVED_KEY = new Struct('observed_key', { port: 'u32', direction: 'u32' })

export const COPIED = new Struct('copied', {
  port: 'u32',
  direction: 'u32',
  mirror: 'u32',
  reserved: 'u32',
  length: 'u32',
  kept: 'u32',
  time: 'u64',
})

export const MAX_TRACES = 16

export const MAX_TRACE_ENDS = 4

const MAX_TRACED = 128

const MAX_NOTES = 32

export const TRACE_FILTER = new Struct('trace_filter', {
  is_there: 'u32',
  trace: 'u32',
  vrf: 'u32',
  protocol: 'u32',
  port: 'u32',
  dropped: 'u32',
  end_count: 'u32',
  sequence: 'u32',
  ends: [PREFIX, MAX_TRACE_ENDS],
})

export const NOTE = new Struct('note', {
  kind: 'u32',
  result: 'u32',
  first: 'u32',
  second: 'u32',
  label: 'u32',
  family: 'u32',
  address: ['u32', 4],
})

export const TOLD = new Struct('told', { trace: 'u32', sequence: 'u32' })

export const TRACED = new Struct('traced', {
  time: 'u64',
  port: 'u32',
  encapsulation: 'u32',
  family: 'u32',
  source: ['u32', 4],
  vrf: 'u32',
  outcome: 'u32',
  reason: 'u32',
  length: 'u32',
  kept: 'u32',
  is_read: 'u32',
  fitting: 'u32',
  told_count: 'u32',
  noted: 'u32',
  packet: ['u8', MAX_TRACED],
  told: [TOLD, MAX_TRACES],
  notes: [NOTE, MAX_NOTES],
})
