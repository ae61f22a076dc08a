/* Error numbers of Linux on x86-64 and arm64 that a batch tells of single packets. */
export const EIO = 5
export const EAGAIN = 11
export const EINVAL = 22
export const EMSGSIZE = 90
export const ENOBUFS = 105
