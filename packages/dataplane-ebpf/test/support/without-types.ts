import { ebpfFeatures } from '@heddle/dataplane-ebpf'
import { readBpfObject } from '../../src/bpf-object.js'
import { call } from '../../src/native/call.js'
import { missingEbpfFeatures } from '../../src/probe.js'

/* Tells, as JSON, whether the kernel's types are told, what is missing, and which programs can be loaded. */
const object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 }))
const btf = ebpfFeatures().some(({ name, available }) => name === 'btf' && available)
process.stdout.write(JSON.stringify({ btf, missing: missingEbpfFeatures(), programs: object.programs().map(({ name }) => name) }))
object.close()
