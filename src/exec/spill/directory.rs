//! A query's directory, and whose it is.
//!
//! Beside the directory lies a file of the same name with `.lock`, which the owner holds locked: the system lets go of the lock
//! when the owner's process ends, however it ends. Whoever gets the lock of another's file knows that its owner is gone. The
//! lock is there before the directory and goes after it, so a directory without one is never anybody's.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

const PREFIX: &str = "tidemill-spill-";
const LOCK: &str = "lock";

/// Names tried until one is free.
const ATTEMPTS: usize = 8;

/// A directory that is gone, with all in it, when this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held locked; removed after the directory.
    _lock: (File, TempPath),
}

impl Directory {
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        let mut last = io::ErrorKind::AlreadyExists.into();
        for _ in 0..ATTEMPTS {
            let (file, lock) = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(&format!(".{LOCK}"))
                .tempfile_in(folder)?
                .into_parts();
            // Another process may take a file that is not locked yet for an abandoned one.
            if file.try_lock().is_err() || !lock.exists() {
                continue;
            }
            let path = lock.with_extension("");
            match fs::create_dir(&path) {
                Ok(()) => {
                    return Ok(Directory {
                        path,
                        _lock: (file, lock),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody is there to be told; the next start finds what stays behind.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories whose owners are gone. What cannot be removed stays for the next time.
pub(crate) fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && path.extension().is_some_and(|extension| extension == LOCK);
        if !is_ours {
            continue;
        }
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if file.try_lock().is_err() {
            continue;
        }
        let directory = path.with_extension("");
        if !directory.exists() || fs::remove_dir_all(&directory).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
}
