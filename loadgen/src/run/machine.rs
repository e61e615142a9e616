//! What machine this is, for `run.json`.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::record::Machine;

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
