//! A statement parsed once and run with parameters.

use super::{Engine, Explain, ParamMap, Params, Plan, Rows, Statement};
use crate::error::{Error, ErrorKind, Result};

/// A parsed statement and the names of its parameters. See [`Engine::prepare`].
///
/// ```
/// use tidemill::{Engine, params};
/// let engine = Engine::in_memory()?;
/// let above = engine.prepare("FROM UNNEST(GENERATE_SERIES(1, 9)) AS n |> WHERE n > @least")?;
/// let counts: Result<Vec<usize>, tidemill::Error> = [2, 5]
///     .into_iter()
///     .map(|least| above.query(params! { least: least })?.typed::<(i64,)>().try_fold(0, |sum, row| row.map(|_| sum + 1)))
///     .collect();
/// assert_eq!(counts?, [7, 4]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prepared {
    engine: Engine,
    statement: Statement,
    parameters: Vec<String>,
}

impl Prepared {
    pub(super) fn new(engine: &Engine, text: &str) -> Result<Self> {
        let mut statements = engine.statements(text).map_err(Error::together)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0103",
                "exactly one statement can be prepared",
            ));
        };
        let parameters = statement.parameters();
        Ok(Prepared {
            engine: engine.clone(),
            statement,
            parameters,
        })
    }

    /// The names of the parameters without `@`, in order of first sight; a `?` is named by its number, from 1.
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// Runs the statement with these values.
    ///
    /// # Errors
    /// As [`Engine::query`]; TM0601 for a parameter without a value.
    pub fn query(&self, params: impl Params) -> Result<Rows> {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        self.engine.run(&self.statement, &map)?.into_last_rows()
    }

    /// The plan of the statement with these values.
    ///
    /// ```
    /// use tidemill::{Engine, Explain, params};
    /// let engine = Engine::in_memory()?;
    /// let above = engine.prepare("FROM (VALUES (1), (2)) AS t (n) |> WHERE n > @least")?;
    /// let plan = above.explain(params! { least: 1 }, Explain::Analyze)?;
    /// assert_eq!(plan.to_json()["rows"], 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::explain_statement`]; TM0601 for a parameter without a value.
    pub fn explain(&self, params: impl Params, what: Explain) -> Result<Plan> {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        self.engine.explain_statement(&self.statement, &map, what)
    }
}
