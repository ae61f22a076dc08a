//! Names of error numbers, as `errno(3)` spells them.

macro_rules! names {
    ($($name:ident)*) => {
        /// The symbolic name of `errno`, `EUNKNOWN` for a number that Linux does not give out here.
        pub fn errno_name(errno: i32) -> &'static str {
            match errno {
                $(libc::$name => stringify!($name),)*
                _ => "EUNKNOWN",
            }
        }
    };
}

names! {
    E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBADFD EBUSY ECANCELED ECONNABORTED ECONNREFUSED
    ECONNRESET EDESTADDRREQ EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR EKEYREJECTED
    ELOOP EMFILE EMSGSIZE ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENODEV ENOENT ENOKEY ENOLINK ENOMEM ENOMSG ENOPROTOOPT
    ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTSOCK ENOTTY ENOTUNIQ ENXIO EOPNOTSUPP EOVERFLOW EPERM EPIPE EPROTO EPROTONOSUPPORT
    EPROTOTYPE ERANGE EROFS ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ESRCH ESTALE ETIME ETIMEDOUT EUSERS EXDEV
}

#[cfg(test)]
mod tests {
    use super::errno_name;

    #[test]
    fn knows_names_and_admits_ignorance() {
        assert_eq!(errno_name(libc::ENOENT), "ENOENT");
        assert_eq!(errno_name(libc::EAGAIN), "EAGAIN");
        assert_eq!(errno_name(9999), "EUNKNOWN");
    }
}
