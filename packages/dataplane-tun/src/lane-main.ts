import { parentPort, workerData } from 'node:worker_threads'
import type { LaneStart } from './lanes/command.js'
import { LaneThread } from './lanes/lane-thread.js'

if (parentPort !== null) new LaneThread(workerData as LaneStart, parentPort).run()
