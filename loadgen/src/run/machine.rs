//! What machine this is, for `run.json`.

use std::time::Duration;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::record::Machine;

/// How long is waited for the disk.
const FLUSH_PATIENCE: Duration = Duration::from_secs(20);

/// Has the kernel write what is not on disk yet. A compiler's output, or an image that was just made, would
/// otherwise be written in the middle of the run, and every fsync of a node would wait for it.
pub(super) async fn flush() {
    let flushing = tokio::task::spawn_blocking(rustix::fs::sync);
    if tokio::time::timeout(FLUSH_PATIENCE, flushing).await.is_err() {
        tracing::warn!("the disk is busy, which the nodes will feel");
    }
}

/// Looks at this machine.
pub(super) fn describe() -> Machine {
    let unknown = || "unknown".to_owned();
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what).ok();
    let cpu =
        system.as_ref().and_then(|system| system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()));
    Machine {
        os: System::long_os_version().unwrap_or_else(|_| unknown()),
        kernel: System::kernel_version().unwrap_or_else(|_| unknown()),
        cpu: cpu.unwrap_or_else(unknown),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        memory_bytes: system.map_or(0, |system| system.total_memory()),
    }
}
