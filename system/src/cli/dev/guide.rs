//! What to type next.

use std::{env, fmt, os::unix::ffi::OsStrExt as _, path::Path};

use super::place::Place;
use crate::{
    cli::{escape::shown, home::Home},
    directory::is_unseen,
    wire::client::Member,
};

/// What `veil dev` prints when the cluster serves.
pub(super) struct Guide<'a> {
    place: &'a Place,
    pids: Vec<u32>,
    /// What this program is called on a command line.
    program: String,
    /// Whether there are users from before.
    goes_on: bool,
}

impl<'a> Guide<'a> {
    pub(super) fn new(place: &'a Place, pids: Vec<u32>) -> anyhow::Result<Self> {
        let called = env::args_os().next().unwrap_or_default();
        // One that was found by its name will be found again.
        let program = match Path::new(&called).components().count() {
            0 | 1 => "veil".to_owned(),
            _ => quoted(&env::current_exe()?),
        };
        let goes_on = Home::new(place.home()).last_user()?.is_some();
        Ok(Self { place, pids, program, goes_on })
    }

    /// The line that tells a shell where the cluster is.
    pub(super) fn environment(&self) -> String {
        let nodes: Vec<_> = self.place.members().iter().map(|member| member.client.as_str()).collect();
        let (ca, home) = (quoted(&self.place.authority()), quoted(&self.place.home()));
        format!("export VEIL_NODES={} VEIL_CA={ca} VEIL_HOME={home}", nodes.join(","))
    }

    fn commands(&self) -> [String; 3] {
        let veil = &self.program;
        if self.goes_on {
            return ["status", "list", "sessions"].map(|command| format!("{veil} {command}"));
        }
        let photo = self.place.photo();
        let (photo, sealed) = (quoted(&photo), quoted(&photo.with_extension("sealed.png")));
        [
            format!("{veil} register ben --no-password && {veil} register anna --no-password"),
            format!("{veil} seal {photo} --for ben=2"),
            format!("{veil} view {sealed} --user ben"),
        ]
    }
}

impl fmt::Display for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, fate) = match self.place.is_kept() {
            true => (shown(self.place.folder()), "is kept"),
            false => (shown(self.place.folder()), "is removed"),
        };
        writeln!(f, "three nodes are running, with TLS; Ctrl-C ends them, and then {folder} {fate}\n")?;
        for (Member { id, client, .. }, pid) in self.place.members().iter().zip(&self.pids) {
            writeln!(f, "  n{id}  {client}  process {pid}")?;
        }
        writeln!(f, "\nin another terminal, type this first:\n\n  {}\n", self.environment())?;
        writeln!(f, "and then, for instance:")?;
        self.commands().iter().try_for_each(|command| write!(f, "\n  {command}"))
    }
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    match path.to_str().filter(|text| !text.contains(is_unseen)) {
        Some(text) if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c)) => {
            text.to_owned()
        }
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        // As bash, ksh and zsh read any byte.
        None => {
            path.as_os_str().as_bytes().iter().fold("$'".to_owned(), |text, byte| match byte {
                b'\'' | b'\\' => format!("{text}\\{}", char::from(*byte)),
                b' '..=b'~' => format!("{text}{}", char::from(*byte)),
                byte => format!("{text}\\x{byte:02x}"),
            }) + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/tmp/veil-dev-aB3/ca.pem")), "/tmp/veil-dev-aB3/ca.pem");
        assert_eq!(quoted(Path::new("/home/an na/it's")), r"'/home/an na/it'\''s'");
        let odd = std::ffi::OsStr::from_bytes(b"/a b/bad\xff\n'");
        assert_eq!(quoted(Path::new(odd)), r"$'/a b/bad\xff\x0a\''");
    }
}
