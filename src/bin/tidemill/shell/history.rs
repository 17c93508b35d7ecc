//! What was typed, kept for the next time: in the directory for the state of programs, for its owner alone.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::editor::Editor;

/// Lines that are kept.
pub(super) const ENTRIES_MAX: usize = 5000;

/// The file of the history, where there can be one.
pub(super) struct History(Option<PathBuf>);

impl History {
    /// Gives the editor what was typed before. Without a place for it there is no history: that is said once.
    pub(super) fn open(editor: &mut Editor) -> Self {
        let Some(path) = path() else {
            return History(None);
        };
        match prepare(&path).and_then(|()| load(editor, &path)) {
            Ok(()) => History(Some(path)),
            Err(error) => {
                let path = path.display();
                anstream::eprintln!("warning: no history is kept in {path}: {error}");
                History(None)
            }
        }
    }

    /// Keeps what was typed. Several shells may do so at once.
    pub(super) fn add(&mut self, editor: &mut Editor, typed: &str) {
        let added = editor.add_history_entry(typed);
        if let (Ok(true), Some(path)) = (&added, &self.0)
            && let Err(error) = editor.append_history(path)
        {
            let path = path.display();
            anstream::eprintln!("warning: no history is kept in {path}: {error}");
            self.0 = None;
        }
    }
}

/// `$XDG_STATE_HOME/tidemill/history`, or that in `~/.local/state`.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let value = env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local").join("state")))?;
    Some(state.join("tidemill").join("history"))
}

fn prepare(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn load(editor: &mut Editor, path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    editor.load_history(path).map_err(io::Error::other)
}
