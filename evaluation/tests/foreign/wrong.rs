//! Ways to make a run directory wrong.

use std::path::Path;

use crate::small::Small;

impl Small {
    /// Puts a link to `target` where a file of the run directory is, or was to be.
    pub fn link(&self, name: &str, target: &Path) {
        let path = self.file(name);
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// Puts text where one finds it in a file.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        std::fs::write(self.file(name), text.replacen(from, to, 1)).unwrap();
    }
}
