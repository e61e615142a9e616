//! What is taken away when the program is told to stop: files that nobody has been promised yet.
//!
//! A signal ends the program wherever it is. So a file that is being made is on a list from its beginning until it has
//! its name, and whoever hears the signal clears the list first.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Once,
};

use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The files and folders that are not finished.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file, or a folder with all that is in it, that is taken away at a signal, unless this is dropped before.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes a file or a folder that is on the list from its first moment.
    pub(super) fn make<T>(path: &Path, make: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        // Wherever this program goes, the file stays where it is.
        let absolute = std::path::absolute(path)?;
        let mut list = UNFINISHED.lock();
        let made = make(path)?;
        list.insert(absolute.clone());
        Ok((Self(absolute), made))
    }

    /// Does what makes it finished. No signal comes between that and its leaving the list.
    pub(super) fn finish<T, E>(self, finish: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let finished = {
            let mut list = UNFINISHED.lock();
            let finished = finish();
            if finished.is_ok() {
                list.remove(&self.0);
            }
            finished
        };
        drop(self);
        finished
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        UNFINISHED.lock().remove(&self.0);
    }
}

/// Does a short step that no signal comes into the middle of.
pub(super) fn undisturbed<T>(step: impl FnOnce() -> T) -> T {
    watch();
    let _list = UNFINISHED.lock();
    step()
}

/// From the first call on, a signal that ends this program clears the list first. Not for programs that end in their own
/// way.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // Without a watch a signal leaves a file behind, which is no reason to do nothing.
        if let Err(error) = start_watch() {
            tracing::warn!("signals cannot be watched: {error}");
        }
    });
}

fn start_watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let ignored = ignored_signals();
    let mut waiting = Vec::new();
    {
        let _within = runtime.enter();
        for kind in ending() {
            let number = kind.as_raw_value();
            // Whoever started this with a signal ignored, such as nohup, wants it to be.
            if ignored & (1 << (number - 1)) == 0 {
                waiting.push((number, signal(kind)?));
            }
        }
        // A file that may not grow so large is an error like any other, instead of the end.
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        drop(signal(SignalKind::from_raw(FILE_SIZE))?);
    }
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let number = runtime.block_on(first(waiting));
        let list = UNFINISHED.lock();
        for path in list.iter() {
            let _ = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
        }
        // The list stays locked: nothing is finished any more.
        end_by(number)
    })?;
    Ok(())
}

/// The signals that end a program, unless it does something else.
fn ending() -> [SignalKind; 4] {
    [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()]
}

/// For programs that end in their own way: waits until this one is told to end, or its terminal is closed.
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let hang_up_is_ignored = ignored_signals() & (1 << (SignalKind::hangup().as_raw_value() - 1)) != 0;
    let mut waiting = Vec::new();
    for kind in ending() {
        // A shell has what runs in the background ignore Ctrl-C, which may be sent to it all the same. nohup means it.
        if kind != SignalKind::hangup() || !hang_up_is_ignored {
            waiting.push((kind.as_raw_value(), signal(kind)?));
        }
    }
    Ok(async move {
        first(waiting).await;
    })
}

/// Ends as if the signal had not been caught: a shell that runs this in a loop ends with it at Ctrl-C, and does not go on.
fn end_by(number: i32) -> ! {
    // What is in memory may be secret: SIGQUIT leaves no picture of it.
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    let _ = setrlimit(Resource::Core, limit);
    // It returns only if the system does not know the signal.
    let _ = signal_hook::low_level::emulate_default_handler(number);
    std::process::exit(128 + number)
}

/// SIGXFSZ.
#[cfg(any(target_os = "linux", target_os = "macos"))]
const FILE_SIZE: i32 = 25;

/// Waits for the first of these signals, and says its number.
async fn first(signals: Vec<(i32, Signal)>) -> i32 {
    let waiting = signals.into_iter().map(|(number, mut signal)| {
        Box::pin(async move {
            signal.recv().await;
            number
        })
    });
    let waiting: Vec<_> = waiting.collect();
    if waiting.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(waiting).await.0
}

/// The signals that this program was started to ignore, a bit each; none where the system does not say.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
