import { describe } from 'vitest'
import { missingNetkit } from '../src/probe.js'
import { conform } from './support/conform.js'
import { missing, titled } from './support/requirements.js'

const lack = missing() === '' ? missingNetkit() : ''

describe.skipIf(missing() !== '' || lack !== '')(
  titled(`netkit pairs in namespaces${lack === '' ? '' : ` (skipped: needs ${lack})`}`),
  () => {
    conform({ name: 'ebpf on netkit', devices: 'netkit', runs: 8 })
  },
)
