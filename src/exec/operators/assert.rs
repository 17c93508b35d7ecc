//! ASSERT: rows that a condition does not hold for stop the query, are left out, or pass with a note.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_expr::PhysicalExpr;

use super::filter::evaluate_predicate;
use crate::error::{Error, Result, Span};
use crate::exec::{Operator, OperatorState, RunContext};

/// What happens to a row that the condition does not hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OnViolation {
    Fail,
    Drop,
    Warn,
}

/// Rows that a condition did not hold for: how many, and what is shown of the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Violations {
    pub(crate) rows: u64,
    pub(crate) first: String,
}

#[derive(Debug, Clone)]
pub(crate) struct AssertOperator {
    condition: Option<Arc<dyn PhysicalExpr>>,
    payload: Vec<Arc<dyn PhysicalExpr>>,
    /// The file that a row came from.
    file: Option<Arc<dyn PhysicalExpr>>,
    on_violation: OnViolation,
    /// The condition as written.
    text: String,
    place: Option<Span>,
    /// Which part of the script it is.
    context: String,
}

impl AssertOperator {
    /// `exprs` are the condition and then the values that a message shows; without any of these it shows the condition. Where
    /// `names_file`, the last is the row's file.
    pub(crate) fn new(
        exprs: Vec<Arc<dyn PhysicalExpr>>,
        on_violation: OnViolation,
        text: String,
        place: Option<Span>,
        context: String,
        names_file: bool,
    ) -> Self {
        let mut exprs = exprs.into_iter();
        let file = names_file.then(|| exprs.next_back()).flatten();
        AssertOperator {
            condition: exprs.next(),
            payload: exprs.collect(),
            file,
            on_violation,
            text,
            place,
            context,
        }
    }

    /// The rows that go on, and those that were found to be wrong.
    pub(crate) fn check(&self, batch: RecordBatch) -> Result<(RecordBatch, Violations)> {
        let condition = self
            .condition
            .as_ref()
            .ok_or_else(|| Error::bug("an assertion without a condition"))?;
        // NULL counts as false.
        let holds = evaluate_predicate(condition, &batch)?;
        let wrong = batch.num_rows() - holds.true_count();
        if wrong == 0 {
            return Ok((batch, Violations::default()));
        }
        let row = (0..holds.len()).find(|row| holds.is_null(*row) || !holds.value(*row));
        let row = batch.slice(row.unwrap_or_default(), 1);
        let first = match self.payload.is_empty() {
            true => self.text.clone(),
            false => shown(&self.payload, &row)?,
        };
        if self.on_violation == OnViolation::Fail {
            let error = Error::failed_assert(&first);
            let file = self.file.as_slice();
            let error = error.during(match file.is_empty() {
                true => self.context.clone(),
                false => format!("{}, file {}", self.context, shown(file, &row)?),
            });
            return Err(match self.place {
                Some(place) => error.at(place),
                None => error,
            });
        }
        let found = Violations {
            rows: wrong as u64,
            first,
        };
        match self.on_violation {
            OnViolation::Drop => Ok((filter_record_batch(&batch, &holds)?, found)),
            OnViolation::Fail | OnViolation::Warn => Ok((batch, found)),
        }
    }
}

/// The values of a row as text, with spaces between.
fn shown(exprs: &[Arc<dyn PhysicalExpr>], row: &RecordBatch) -> Result<String> {
    let mut shown = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let value = expr.evaluate(row)?.into_array(1)?;
        let text = cast(&value, &DataType::Utf8).unwrap_or(value);
        let options = FormatOptions::default().with_null("NULL");
        let text = ArrayFormatter::try_new(&text, &options)?;
        shown.push(text.value(0).try_to_string()?);
    }
    Ok(shown.join(" "))
}

impl Operator for AssertOperator {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(AssertState {
            operator: self.clone(),
            context: Arc::clone(context),
            found: Violations::default(),
            output: None,
        }))
    }

    fn describe(&self) -> String {
        let then = match self.on_violation {
            OnViolation::Fail => "",
            OnViolation::Drop => ", others are left out",
            OnViolation::Warn => ", others are counted",
        };
        format!("assert: {}{then}", self.text)
    }
}

struct AssertState {
    operator: AssertOperator,
    context: Arc<RunContext>,
    found: Violations,
    output: Option<RecordBatch>,
}

impl OperatorState for AssertState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let (batch, found) = self.operator.check(batch)?;
        if self.found.rows == 0 {
            self.found.first = found.first;
        }
        self.found.rows += found.rows;
        self.output = (batch.num_rows() > 0).then_some(batch);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.output.take())
    }

    fn finish(&mut self) -> Result<()> {
        let found = std::mem::take(&mut self.found);
        if found.rows > 0 {
            self.context
                .notes
                .violations(&self.operator.text, self.operator.place, found);
        }
        Ok(())
    }
}
