//! How a node that another program has started ends with that program, however that ends.

use std::io::Read;

/// Ends this process when the one that has started it does. It watches its standard input, which the other process
/// holds open, and on Linux the kernel kills it even while it is stopped.
///
/// # Errors
/// When the kernel or the system refuses.
pub fn end_with_parent() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(|| {
        // Nothing is ever sent: reading ends when the parent does, even if that was long ago.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    })?;
    Ok(())
}
