//! Files that are written and not visible yet. Several become visible together: where one cannot, those before it are taken back.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir, TempPath};

use super::unwritable;
use crate::error::Result;

/// A file or folder under a temporary name. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Pending {
    temporary: Temporary,
    target: PathBuf,
}

#[derive(Debug)]
enum Temporary {
    File(TempPath),
    Folder(TempDir),
}

impl Pending {
    pub(super) fn file(file: NamedTempFile, target: PathBuf) -> Self {
        Pending {
            temporary: Temporary::File(file.into_temp_path()),
            target,
        }
    }

    pub(super) fn folder(folder: TempDir, target: PathBuf) -> Self {
        Pending {
            temporary: Temporary::Folder(folder),
            target,
        }
    }

    /// Puts the new in place of the old, which is kept until the caller is sure.
    fn place(self) -> io::Result<Placed> {
        let is_file = matches!(self.temporary, Temporary::File(_));
        let older = set_aside(&self.target, is_file)?;
        let placed = match self.temporary {
            Temporary::File(file) => readable(&file)
                .and_then(|()| file.persist(&self.target).map_err(|error| error.error)),
            Temporary::Folder(folder) => {
                readable(folder.path()).and_then(|()| std::fs::rename(folder.path(), &self.target))
            }
        };
        let placed_at = Placed {
            target: self.target,
            older,
        };
        match placed {
            Ok(()) => Ok(placed_at),
            Err(error) => {
                placed_at.take_back();
                Err(error)
            }
        }
    }
}

/// Something that became visible, and what stood there before.
struct Placed {
    target: PathBuf,
    older: Option<TempDir>,
}

impl Placed {
    /// The old is there again. An error here has nobody left to go to: the first one is told.
    fn take_back(self) {
        let _ = if self.target.is_dir() {
            std::fs::remove_dir_all(&self.target)
        } else {
            std::fs::remove_file(&self.target)
        };
        if let Some(older) = &self.older {
            let _ = std::fs::rename(older.path().join("older"), &self.target);
        }
    }
}

/// Makes all of it visible; then does `last`, and takes it back if that fails.
pub(crate) fn publish(pending: Vec<Pending>, last: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut placed = Vec::with_capacity(pending.len());
    let mut failed = None;
    for one in pending {
        let target = one.target.clone();
        match one.place() {
            Ok(one) => placed.push(one),
            Err(error) => {
                failed = Some(unwritable(&target, error));
                break;
            }
        }
    }
    let result = match failed {
        Some(error) => Err(error),
        None => last(),
    };
    if result.is_err() {
        placed.into_iter().rev().for_each(Placed::take_back);
    }
    result
}

/// Keeps what stands at `target` in a temporary folder beside it. A file that another one will replace stays where it is until then,
/// so that there is one at every moment; anything else is moved away.
fn set_aside(target: &Path, for_a_file: bool) -> io::Result<Option<TempDir>> {
    let Ok(about) = std::fs::symlink_metadata(target) else {
        return Ok(None);
    };
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = tempfile::Builder::new()
        .prefix(".tidemill-")
        .suffix(".old")
        .tempdir_in(parent)?;
    let older = folder.path().join("older");
    // Not every file system has a second name for a file.
    let stays = for_a_file && about.is_file() && std::fs::hard_link(target, &older).is_ok();
    if !stays {
        std::fs::rename(target, older)?;
    }
    Ok(Some(folder))
}

/// Temporary files are private; what is exported is as any new file or folder is.
#[cfg(unix)]
fn readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn readable(_path: &Path) -> io::Result<()> {
    Ok(())
}
