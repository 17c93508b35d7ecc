//! A statement parsed once and run with parameters.

use super::{Engine, ParamMap, Params, Rows, Statement};
use crate::error::{Error, ErrorKind, Result};

/// A parsed statement and the names of its parameters. See [`Engine::prepare`].
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
}
