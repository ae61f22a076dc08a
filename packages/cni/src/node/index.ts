export { appendLogStore, type AppendLogOptions } from './append-log-store.js'
export { execPlugin, type ExecPluginOptions } from './exec-plugin.js'
export { kernelInspector } from './kernel-inspector.js'
export { sqliteStore } from './sqlite-store.js'
