//! A disk for tests: it keeps what was synced and forgets, when asked, any part of the rest.
//!
//! A file has the bytes that were written and those that were synced; a directory's names change in steps that stay when the
//! directory is synced. [`SimDisk::images`] gives disks as they may be found after the power failed: of the steps that were not
//! synced any part is there, in any order; of bytes that were not synced all, none, or some with zeros behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{About, Disk, DiskFile, DiskLock, Entry, ReadAt};

/// Things not synced up to which every combination is made.
const EXHAUSTIVE: usize = 6;

/// Combinations made of more.
const SAMPLES: u64 = 64;

#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Contents>,
    /// What a program sees.
    names: BTreeMap<PathBuf, Node>,
    /// What is left after the power failed, before any of `steps`.
    durable: BTreeMap<PathBuf, Node>,
    steps: Vec<Step>,
    operations: u64,
    fault: Option<Fault>,
    clock: u64,
    /// Files that are held.
    locked: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    written: Vec<u8>,
    synced: Vec<u8>,
    /// A sync failed: later ones succeed and keep nothing, as Linux does it.
    lies: bool,
}

/// Names that change together.
#[derive(Debug, Clone)]
struct Step(Vec<(PathBuf, Option<Node>)>);

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// The operation, counted from 0.
    pub(crate) at: u64,
    pub(crate) kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// This operation and every later one fails: the power is off.
    PowerLoss,
    /// This operation alone fails.
    Once(io::ErrorKind),
    /// This operation and every later write fails.
    Full,
}

impl SimDisk {
    pub(crate) fn new() -> Self {
        let disk = SimDisk(Arc::default());
        let root = (PathBuf::from("/"), Node::Directory);
        disk.state().names.extend([root.clone()]);
        disk.state().durable.extend([root]);
        disk
    }

    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        self.state().fault = Some(fault);
        self
    }

    /// No fault any more; counts from 0 again.
    pub(crate) fn repaired(&self) {
        let mut state = self.state();
        state.fault = None;
        state.operations = 0;
    }

    /// Operations so far that could have failed.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// A copy that shares nothing.
    pub(crate) fn copy(&self) -> SimDisk {
        let state = self.state();
        SimDisk(Arc::new(Mutex::new(State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable: state.durable.clone(),
            steps: state.steps.clone(),
            operations: 0,
            fault: None,
            clock: state.clock,
            locked: BTreeSet::new(),
        })))
    }

    /// Every file with its bytes.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.names.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path.clone(), state.files[*file].written.clone())),
            Node::Directory => None,
        });
        files.collect()
    }

    /// Puts other bytes into a file, as decay does.
    pub(crate) fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        if let Some(Node::File(file)) = state.names.get(path).copied() {
            state.files[file].written = bytes.clone();
            state.files[file].synced = bytes;
        }
    }

    /// Disks as they may be found after the power failed now.
    pub(crate) fn images(&self, seed: u64) -> Vec<SimDisk> {
        let state = self.state();
        let unsynced: Vec<usize> = (0..state.files.len())
            .filter(|file| state.files[*file].written != state.files[*file].synced)
            .collect();
        let things = state.steps.len() + unsynced.len();
        let mut random = seed;
        let choices: Vec<u64> = if things <= EXHAUSTIVE {
            (0..1 << things).collect()
        } else {
            let ends = [0, u64::MAX];
            ends.into_iter()
                .chain((0..SAMPLES).map(|_| next(&mut random)))
                .collect()
        };
        choices
            .into_iter()
            .map(|choice| state.image(&unsynced, choice, &mut random))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operate<T>(
        &self,
        writes: bool,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        state.fault(writes)?;
        work(&mut state)
    }
}

impl State {
    fn fault(&mut self, writes: bool) -> io::Result<()> {
        let now = self.operations;
        self.operations += 1;
        self.clock += 1;
        match self.fault {
            Some(fault) if fault.kind == FaultKind::PowerLoss && now >= fault.at => {
                Err(io::Error::other("the power is off"))
            }
            Some(Fault {
                at,
                kind: FaultKind::Once(kind),
            }) if now == at => Err(kind.into()),
            Some(fault) if fault.kind == FaultKind::Full && now >= fault.at && writes => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.node(path)? {
            Node::File(file) => Ok(file),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// A name may be given: nothing has it, and there is a directory for it.
    fn free(&self, path: &Path) -> io::Result<()> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.directory_of(path)
    }

    fn directory_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().map(|parent| self.node(parent)) {
            Some(Ok(Node::Directory)) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn step(&mut self, changes: Vec<(PathBuf, Option<Node>)>) {
        apply(&mut self.names, &changes);
        self.steps.push(Step(changes));
    }

    fn about(&self, node: Node) -> About {
        let bytes = match node {
            Node::File(file) => self.files[file].written.len() as u64,
            Node::Directory => 0,
        };
        About {
            is_directory: node == Node::Directory,
            bytes,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        }
    }

    fn image(&self, unsynced: &[usize], choice: u64, random: &mut u64) -> SimDisk {
        let chosen = |thing: usize| choice >> (thing % 64) & 1 == 1;
        let mut names = self.durable.clone();
        for (thing, step) in self.steps.iter().enumerate() {
            if chosen(thing) {
                apply(&mut names, &step.0);
            }
        }
        // What lies in a directory that is not there is not there.
        let missing = |path: &PathBuf| {
            path.ancestors()
                .skip(1)
                .any(|above| names.get(above) != Some(&Node::Directory))
        };
        let lost: Vec<PathBuf> = names.keys().filter(|path| missing(path)).cloned().collect();
        for path in lost {
            names.remove(&path);
        }
        let mut files = self.files.clone();
        for (place, file) in unsynced.iter().enumerate() {
            let contents = &mut files[*file];
            if chosen(self.steps.len() + place) {
                torn(contents, random);
            } else {
                contents.written.clone_from(&contents.synced);
            }
        }
        for contents in &mut files {
            contents.synced.clone_from(&contents.written);
            contents.lies = false;
        }
        SimDisk(Arc::new(Mutex::new(State {
            files,
            durable: names.clone(),
            names,
            ..State::default()
        })))
    }
}

/// All of what was written, or a part of it, or a part with zeros behind.
fn torn(contents: &mut Contents, random: &mut u64) {
    let extra = contents.written.len().saturating_sub(contents.synced.len());
    let kind = next(random) % 3;
    if kind == 0 || extra == 0 {
        return;
    }
    let kept = contents.synced.len() + (next(random) as usize) % extra;
    if kind == 1 {
        contents.written.truncate(kept);
    } else {
        contents.written[kept..].fill(0);
    }
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, changes: &[(PathBuf, Option<Node>)]) {
    for (path, node) in changes {
        match node {
            Some(node) => names.insert(path.clone(), *node),
            None => names.remove(path),
        };
    }
}

/// Numbers that look random, the same for the same seed.
pub(crate) fn next(random: &mut u64) -> u64 {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let mixed = *random ^ (*random >> 33);
    mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ (mixed >> 29)
}

/// A file as it was when it was opened.
#[derive(Debug)]
struct Whole(bytes::Bytes);

impl ReadAt for Whole {
    fn read_at(&self, start: u64, length: u64) -> io::Result<bytes::Bytes> {
        let start = (start as usize).min(self.0.len());
        let end = start.saturating_add(length as usize).min(self.0.len());
        Ok(self.0.slice(start..end))
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.operate(false, |state| {
            let file = state.file(path)?;
            Ok(state.files[file].written.clone())
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }

    fn open_at(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Whole(self.read(path)?.into())))
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        self.operate(false, |state| Ok(state.about(state.node(path)?)))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.operate(false, |state| {
            state.node(directory)?;
            let inside = |path: &&PathBuf| path.parent() == Some(directory);
            let entries = state.names.keys().filter(inside).map(|path| Entry {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                about: state.about(state.names[path]),
            });
            Ok(entries.collect())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.operate(true, |state| {
            state.free(path)?;
            state.files.push(Contents::default());
            let file = state.files.len() - 1;
            state.step(vec![(path.to_path_buf(), Some(Node::File(file)))]);
            Ok(file)
        })?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            state.free(path)?;
            state.step(vec![(path.to_path_buf(), Some(Node::Directory))]);
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            let file = state.file(from)?;
            state.free(to)?;
            state.step(vec![(to.to_path_buf(), Some(Node::File(file)))]);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            let node = state.node(from)?;
            state.directory_of(to)?;
            let mut changes = vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(node))];
            if node == Node::Directory {
                for (path, inner) in &state.names {
                    if let Ok(below) = path.strip_prefix(from)
                        && !below.as_os_str().is_empty()
                    {
                        changes.push((path.clone(), None));
                        changes.push((to.join(below), Some(*inner)));
                    }
                }
            }
            state.step(changes);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            state.file(path)?;
            state.step(vec![(path.to_path_buf(), None)]);
            Ok(())
        })
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            state.node(path)?;
            state.step(vec![(path.to_path_buf(), None)]);
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            state.node(path)?;
            let here = |step: &Step| {
                let mut changes = step.0.iter();
                changes.any(|(changed, _)| changed.parent() == Some(path))
            };
            let steps = std::mem::take(&mut state.steps);
            for step in steps {
                if here(&step) {
                    apply(&mut state.durable, &step.0);
                } else {
                    state.steps.push(step);
                }
            }
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let held = self.operate(true, |state| {
            if !state.names.contains_key(path) {
                state.free(path)?;
                state.files.push(Contents::default());
                let file = Node::File(state.files.len() - 1);
                state.step(vec![(path.to_path_buf(), Some(file))]);
            }
            Ok(state.locked.insert(path.to_path_buf()))
        })?;
        let lock = || SimLock {
            disk: self.clone(),
            path: path.to_path_buf(),
        };
        Ok(held.then(|| Box::new(lock()) as Box<dyn DiskLock>))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.operate(true, |state| {
            state.files[self.file].written.extend_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.fault(true);
        let contents = &mut state.files[self.file];
        if fault.is_err() {
            contents.lies = true;
        } else if !contents.lies {
            contents.synced.clone_from(&contents.written);
        }
        fault
    }
}
