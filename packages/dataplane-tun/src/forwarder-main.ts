import { runForwarder } from './process/run-forwarder.js'

await runForwarder(process.argv[2] ?? '{}', import.meta.url, process.argv[3])
