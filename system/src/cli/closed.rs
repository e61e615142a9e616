//! Whether standard output was closed before this program began.
//!
//! Rust's runtime opens /dev/null in the place of a standard stream that is closed, before `main`: from then on nobody
//! can tell. So it is looked at earlier, with what else the loader calls before that.

#![expect(unsafe_code, reason = "an entry in the list of what is called before `main`")]

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()) == Err(rustix::io::Errno::BADF);
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Whether it was.
pub(super) fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
