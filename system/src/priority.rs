//! Which threads go first.

/// The nice value of threads that step back.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Has this thread give way to everything else on this machine, for good.
pub fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "cannot lower the priority of a thread");
    }
}
