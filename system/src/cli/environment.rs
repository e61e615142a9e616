//! What the environment says.

/// Variables that options are taken from begin so.
const PREFIX: &[u8] = b"VEIL_";

/// Takes empty variables for unset: whoever exports `VEIL_NODES=` wants what is usual. To be called first of all, while
/// there is one thread.
#[expect(unsafe_code, reason = "nothing else reads or writes the environment while there is one thread")]
pub fn forget_empty_variables() {
    use std::os::unix::ffi::OsStrExt;
    let empty = std::env::vars_os()
        .filter(|(name, value)| value.is_empty() && name.as_bytes().starts_with(PREFIX))
        .map(|(name, _)| name);
    for name in empty.collect::<Vec<_>>() {
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::remove_var(name) };
    }
}
