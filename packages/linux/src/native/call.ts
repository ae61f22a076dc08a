import { native } from './load.js'
import { nativeCalls } from './native-calls.js'

/** Calls the native part. @throws LinuxError when the kernel refuses; NativeUnavailableError when there is no native part */
export const { call, callAsync } = nativeCalls(native)
