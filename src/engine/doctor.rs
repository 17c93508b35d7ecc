//! What is broken in a database, for programs and for `tidemill doctor`.

use std::path::PathBuf;

use serde::Serialize;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::table::doctor::{self, Severity};

/// How bad a [`Finding`] is.
///
/// ```
/// use tidemill::Health;
/// assert!(Health::Note < Health::Degraded && Health::Degraded < Health::Broken);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Health {
    /// Nothing is wrong, and somebody may want to know.
    Note,
    /// Every row is there; what should help when something fails does not: a replica, a checkpoint.
    Degraded,
    /// Rows are lost or cannot be read, unless a replica has them.
    Broken,
}

/// Something that [`Engine::examine`] found.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// let engine = tidemill::Engine::open(directory.path())?;
/// for finding in engine.examine(true)?.findings {
///     println!("{:?}: {}", finding.health, finding.message);
/// }
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub health: Health,
    /// Which check found it: `log`, `checkpoint`, `segment`, `ingest`, `temporary`, `replica`, `breaker`, `health`, `directory`.
    pub check: &'static str,
    /// The table it is about.
    pub table: Option<String>,
    /// The file or directory it is about.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What [`Engine::examine`] looked at, and what it found.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// let engine = tidemill::Engine::open(directory.path())?;
/// engine.execute("CREATE TABLE t AS SELECT 1 AS x", ())?;
/// assert_eq!(engine.examine(true)?.segments, 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Examination {
    /// Tables looked at.
    pub tables: u64,
    /// Versions in their logs.
    pub commits: u64,
    /// Segments of their newest versions.
    pub segments: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// The worst first.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// How bad the worst finding is; nothing where nothing was found.
    pub fn worst(&self) -> Option<Health> {
        self.findings.iter().map(|finding| finding.health).max()
    }
}

impl Engine {
    /// Reads every table of the database and says what is broken; nothing is changed. With `deep` every byte is read and compared
    /// with its checksum, without it only sizes are.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// let engine = tidemill::Engine::open(directory.path())?;
    /// engine.execute("CREATE TABLE t AS SELECT 1 AS x", ())?;
    /// let examined = engine.examine(true)?;
    /// assert_eq!((examined.tables, examined.worst()), (1, None));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0701 where the engine has no database.
    pub fn examine(&self, deep: bool) -> Result<Examination> {
        let database = self.catalog().database().ok_or_else(|| {
            Error::new(ErrorKind::Input, "TM0701", "the engine has no database")
                .hint("open one: Engine::open(directory)")
        })?;
        let examined = doctor::examine(database, deep);
        let findings = examined.findings.into_iter().map(|finding| Finding {
            health: match finding.severity {
                Severity::Note => Health::Note,
                Severity::Degraded => Health::Degraded,
                Severity::Broken => Health::Broken,
            },
            check: finding.check,
            table: finding.table,
            path: finding.path,
            message: finding.message,
            hint: finding.hint,
        });
        Ok(Examination {
            tables: examined.tables,
            commits: examined.commits,
            segments: examined.segments,
            bytes: examined.bytes,
            findings: findings.collect(),
        })
    }
}
