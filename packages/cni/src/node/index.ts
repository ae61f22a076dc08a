export { appendLogStore, type AppendLogOptions } from './append-log-store.js'
export { sqliteStore } from './sqlite-store.js'
