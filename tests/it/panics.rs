//! Sources that panic end their query, and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidemill::Engine;
use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidemill::datafusion::catalog::streaming::StreamingTable;
use tidemill::datafusion::catalog::{Session, TableProvider};
use tidemill::datafusion::error::Result;
use tidemill::datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use tidemill::datafusion::logical_expr::{Expr, TableType};
use tidemill::datafusion::physical_plan::ExecutionPlan;
use tidemill::datafusion::physical_plan::streaming::PartitionStream;

/// Where a source panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Plan,
    Open,
    FirstBatch,
    ThirdBatch,
    Drop,
}

const MOMENTS: [Moment; 5] = [
    Moment::Plan,
    Moment::Open,
    Moment::FirstBatch,
    Moment::ThirdBatch,
    Moment::Drop,
];

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

#[derive(Debug)]
struct Panicking {
    moment: Moment,
    rows: StreamingTable,
}

impl Panicking {
    fn new(moment: Moment) -> Self {
        let part = Arc::new(Part {
            moment,
            schema: schema(),
        });
        let rows = StreamingTable::try_new(schema(), vec![part]).expect("a table");
        Panicking { moment, rows }
    }
}

type Planned<'future> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'future>>;

impl TableProvider for Panicking {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        assert_ne!(self.moment, Moment::Plan, "a panic on purpose");
        self.rows.scan(state, projection, filters, limit)
    }
}

#[derive(Debug)]
struct Part {
    moment: Moment,
    schema: SchemaRef,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        assert_ne!(self.moment, Moment::Open, "a panic on purpose");
        Box::pin(Batches {
            moment: self.moment,
            given: 0,
        })
    }
}

struct Batches {
    moment: Moment,
    given: i64,
}

impl futures::Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _waker: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let panics = match self.moment {
            Moment::FirstBatch => self.given == 0,
            Moment::ThirdBatch => self.given == 2,
            _ => false,
        };
        assert!(!panics, "a panic on purpose");
        self.given += 1;
        if self.given > 4 {
            return Poll::Ready(None);
        }
        let column: ArrayRef = Arc::new(Int64Array::from(vec![self.given]));
        let batch = RecordBatch::try_new(schema(), vec![column]);
        Poll::Ready(Some(batch.map_err(Into::into)))
    }
}

impl RecordBatchStream for Batches {
    fn schema(&self) -> SchemaRef {
        schema()
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        if self.moment == Moment::Drop && !std::thread::panicking() {
            panic!("a panic on purpose");
        }
    }
}

const QUERIES: [&str; 5] = [
    "FROM broken",
    "FROM broken |> AGGREGATE SUM(n) AS s",
    "FROM good |> JOIN broken USING (n)",
    "FROM broken |> ORDER BY n |> LIMIT 2",
    "WITH x AS (FROM broken |> DISTINCT) FROM x |> UNION ALL (FROM x)",
];

#[test]
fn a_source_that_panics_ends_its_query_alone() {
    let engine = Engine::builder().threads(2).in_memory().expect("an engine");
    engine
        .execute(
            "CREATE TABLE good AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n",
            (),
        )
        .expect("a table");
    for moment in MOMENTS {
        engine
            .register_provider("broken", Arc::new(Panicking::new(moment)))
            .expect("a table");
        for text in QUERIES {
            let other = engine
                .query("FROM good |> ORDER BY n DESC", ())
                .expect("a query");
            let answer = engine
                .query(text, ())
                .and_then(|rows| rows.collect_batches());
            match answer {
                Err(error) => {
                    assert_eq!(error.code(), "TM0999", "{moment:?}, {text}: {error}");
                    assert!(!error.message().contains('\n'), "{error}");
                }
                // Whoever reads no more may never come to the third batch.
                Ok(_) => assert!(
                    text.contains("LIMIT") && moment == Moment::ThirdBatch,
                    "{moment:?}: an answer to {text}"
                ),
            }
            let rows: usize = other.map(|batch| batch.expect("rows").num_rows()).sum();
            assert_eq!(rows, 100_000, "the other query goes on");
        }
        let error = engine
            .explain("FROM broken", tidemill::Explain::Pipelines)
            .err();
        assert_eq!(error.is_some(), moment == Moment::Plan);
    }
    let (n,): (i64,) = engine
        .query("FROM good |> AGGREGATE COUNT(*) AS n", ())
        .and_then(|rows| rows.one())
        .expect("the engine goes on");
    assert_eq!(n, 100_000);
}
