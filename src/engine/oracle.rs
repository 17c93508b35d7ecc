//! The second way to every answer: the same optimised plan, run by DataFusion's own executor.

use arrow::array::RecordBatch;

use super::{Engine, ParamMap, Params, Statement, planning, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::CancelToken;
use crate::plan::bind::Bound;

impl Engine {
    /// Runs a text as [`Engine::query`] does, but has the plan of its last statement run by DataFusion. For tests.
    #[doc(hidden)]
    pub fn oracle(&self, text: &str, params: impl Params) -> Result<Vec<RecordBatch>> {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        let mut statements = self.statements(text).map_err(Error::together)?;
        let last = statements
            .pop()
            .ok_or_else(|| Error::new(ErrorKind::Input, "TM0103", "the text holds no statement"))?;
        for statement in &statements {
            self.run(statement, &map)?
                .into_last_rows()?
                .collect_batches()?;
        }
        self.oracle_statement(&last, &map)
    }

    fn oracle_statement(&self, statement: &Statement, map: &ParamMap) -> Result<Vec<RecordBatch>> {
        let bound = planning::on_planner_stack(|| {
            query::bind(self, &statement.parsed, &statement.text, map.parameters())
        })?;
        let Bound::Query(bound) = bound.bound else {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0315",
                "the last statement must be a query",
            ));
        };
        let plan = query::optimize(self, &bound, &CancelToken::default())?;
        let task = self.0.state.task_ctx();
        let runtime = self.0.runtime.get()?;
        Ok(runtime.block_on(datafusion::physical_plan::collect(plan, task))?)
    }
}
