//! Shows a picture in the viewer of this desktop, from a file of which nothing is left afterwards.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    escape::shown,
    interrupt::{Unfinished, watch},
    output::reserve,
    print::complain,
};

/// The environment variable that names the viewer.
const VIEWER: &str = "VEIL_VIEWER";
/// A program that ends sooner has handed the picture to another one, most likely.
const HANDED_ON: Duration = Duration::from_secs(2);
/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the picture stays then: without a terminal on which to say that it was seen, and with one.
const STAYS: Duration = Duration::from_secs(10);
const STAYS_AT_MOST: Duration = Duration::from_secs(600);

/// A viewer, and a place for the picture. Nothing is left of that when this is dropped.
#[derive(Debug)]
pub(super) struct Show {
    viewer: Viewer,
    folder: PathBuf,
    picture: PathBuf,
    file: File,
    _unfinished: Unfinished,
}

#[derive(Debug, PartialEq, Eq)]
struct Viewer {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Show {
    /// Finds a viewer, and room for a picture of so many bytes.
    pub(super) fn prepare(extension: &str, room: u64) -> anyhow::Result<Self> {
        watch();
        let viewer = Viewer::find()?;
        let mut refused = None;
        for place in places() {
            match Self::make(&place, extension, room) {
                Ok((folder, picture, file, _unfinished)) => {
                    return Ok(Self { viewer, folder, picture, file, _unfinished });
                }
                Err(error) => {
                    refused.get_or_insert((place, error));
                }
            }
        }
        let (place, error) = refused.context("there is no folder for temporary files")?;
        Err(error).with_context(|| format!("the picture has no place in {}", shown(&place)))
    }

    fn make(place: &Path, extension: &str, room: u64) -> io::Result<(PathBuf, PathBuf, File, Unfinished)> {
        let mut listed = None;
        // Only this user sees what is in it, and its name is not to be guessed.
        let made = tempfile::Builder::new().prefix("veil-show-").make_in(place, |folder| {
            let made = Unfinished::make(folder, |folder| fs::DirBuilder::new().mode(0o700).create(folder));
            listed = Some(made?.0);
            Ok(())
        });
        let made = made.map_err(|error| io::Error::from(error.kind()))?;
        // Removed by this from now on, as a folder is not removed like a file.
        let folder = made.into_temp_path().keep().map_err(|failed| failed.error)?;
        let unfinished = listed.ok_or_else(|| io::Error::other("not on the list"))?;
        let picture = folder.join(format!("picture.{extension}"));
        let filled = || {
            let mut options = File::options();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&picture)?;
            reserve(&mut file, room)?;
            Ok(file)
        };
        match filled() {
            Ok(file) => Ok((folder, picture, file, unfinished)),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    /// Gives a picture to the viewer. An error if that fails at once.
    pub(super) fn start(mut self, picture: &[u8]) -> anyhow::Result<Shown> {
        let name = "the picture cannot be shown";
        self.file.write_all(picture).and_then(|()| self.file.set_len(picture.len() as u64)).context(name)?;
        let Viewer { program, arguments } = &self.viewer;
        let mut viewer = Command::new(program)
            .args(arguments)
            .arg(&self.picture)
            .stdin(Stdio::null())
            // What it says is no answer of this program.
            .stdout(io::stderr())
            .spawn()
            .with_context(|| format!("{name}: {}", shown(program)))?;
        let deadline = Instant::now() + HANDED_ON;
        let ended = loop {
            match viewer.try_wait().context(name)? {
                None if Instant::now() < deadline => std::thread::sleep(PAUSE),
                ended => break ended,
            }
        };
        if let Some(status) = ended.filter(|status| !status.success()) {
            anyhow::bail!("{name}: {} has failed ({status})", shown(program));
        }
        Ok(Shown { viewer: ended.is_none().then_some(viewer), _show: self })
    }
}

/// A picture that is being looked at.
#[derive(Debug)]
pub(super) struct Shown {
    /// Unless it has handed the picture on, and ended.
    viewer: Option<Child>,
    _show: Show,
}

impl Shown {
    /// Returns when the picture was seen and its file is gone.
    pub(super) fn wait(self) -> anyhow::Result<()> {
        match self.viewer {
            Some(mut viewer) => drop(viewer.wait().context("the viewer cannot be waited for")?),
            None => wait_until_seen(),
        }
        Ok(())
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            complain(format_args!("{} cannot be removed: {error}", shown(&self.folder)));
        }
    }
}

/// Waits for whoever looks at the picture in a program of which nothing is known.
fn wait_until_seen() {
    if !io::stdin().is_terminal() {
        complain(format_args!(
            "the viewer has ended at once: if another program shows the picture, its file is removed in {STAYS:?}"
        ));
        std::thread::sleep(STAYS);
        return;
    }
    complain(format_args!(
        "the viewer has ended at once, and another program may show the picture: press Enter when you have seen it, and \
         its file is removed (or in {} minutes)",
        STAYS_AT_MOST.as_secs() / 60
    ));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().lock().read_line(&mut String::new());
        // Nobody waits any more if it took that long.
        let _ = tell.send(());
    });
    let _ = told.recv_timeout(STAYS_AT_MOST);
}

/// Where the picture may lie: in the memory of this login, or else where temporary files are.
fn places() -> Vec<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = rustix::process::geteuid().as_raw();
    let runtime =
        runtime.filter(|folder| fs::metadata(folder).is_ok_and(|data| data.is_dir() && data.uid() == own));
    runtime.into_iter().chain([env::temp_dir()]).collect()
}

impl Viewer {
    /// What VEIL_VIEWER says, else what this system opens files with.
    fn find() -> anyhow::Result<Self> {
        if let Some(named) = env::var_os(VIEWER).filter(|named| !named.is_empty()) {
            return Self::named(&named)
                .with_context(|| format!("{VIEWER}: there is no program {}", shown(Path::new(&named))));
        }
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let screen = cfg!(target_os = "macos")
            || ["WAYLAND_DISPLAY", "DISPLAY"]
                .iter()
                .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        anyhow::ensure!(
            screen,
            "there is no screen to show the picture on (DISPLAY and WAYLAND_DISPLAY are not set): write it with --output, \
             or name a viewer in {VIEWER}"
        );
        Self::named(opener.as_ref()).with_context(|| {
            format!("there is no {opener} to show the picture: write it with --output, or name a viewer in {VIEWER}")
        })
    }

    /// A program, or a program and its arguments, separated by blanks.
    fn named(named: &std::ffi::OsStr) -> Option<Self> {
        if let Some(program) = found(Path::new(named)) {
            return Some(Self { program, arguments: Vec::new() });
        }
        let mut words = named.to_str()?.split_whitespace();
        let program = found(Path::new(words.next()?))?;
        Some(Self { program, arguments: words.map(OsString::from).collect() })
    }
}

/// A program that can be run: a path, or a name in PATH.
fn found(program: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() > 1 || program.is_absolute() {
        return Some(program.to_owned()).filter(runs);
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_a_program_or_one_with_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("my viewer");
        assert_eq!(Viewer::named(program.as_os_str()), None);
        fs::write(&program, "").unwrap();
        assert_eq!(Viewer::named(program.as_os_str()), None, "nobody may run it");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let alone = Viewer::named(program.as_os_str()).unwrap();
        assert_eq!(alone, Viewer { program, arguments: Vec::new() });
        let with = Viewer::named("sh -c true".as_ref()).unwrap();
        assert!(with.program.ends_with("sh") && with.arguments == ["-c", "true"]);
        assert_eq!(Viewer::named("no-such-viewer -x".as_ref()), None);
    }

    #[test]
    fn a_picture_is_for_its_viewer_alone_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (folder, picture, file, _unfinished) = Show::make(place.path(), "png", 10).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&picture)), (0o700, 0o600));
        let viewer = Viewer { program: "true".into(), arguments: Vec::new() };
        drop(Show { viewer, folder, picture, file, _unfinished });
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(Show::make(place.path(), "png", 1 << 60).is_err());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
