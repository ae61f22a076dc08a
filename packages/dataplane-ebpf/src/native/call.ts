import { nativeCalls } from '@heddle/linux'
import { native } from './load.js'

/** Calls the native part. @throws LinuxError when the kernel refuses; DataplaneError `dataplane.device` when there is no native part */
export const { call, callAsync } = nativeCalls(native)
