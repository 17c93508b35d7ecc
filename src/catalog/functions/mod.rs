//! Functions by name: DataFusion's, ours in their place where the language differs, and those registered by the program.

mod avg;
mod bounded;
mod divide;
mod examples;
mod field;
mod format;
mod in_set;
mod interval;
mod length;
mod like_pattern;
mod one_zero;
mod position;
mod quantiles;
mod raise;
mod row_id;
mod sample;
mod shift;
mod single_value;
mod sliding;
mod sum;
mod to_json;
mod whole;
mod wrapped;
mod wrapping;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

use crate::error::Result;
pub(crate) use divide::int_divide;
pub(crate) use examples::{Example, example, table_example};
pub(crate) use format::format_fault;
pub(crate) use in_set::in_set;
pub(crate) use interval::{Unit, has_only_days, interval_length, interval_of};
pub(crate) use like_pattern::{like_pattern, with_backslashes};
pub(crate) use one_zero::one_zero;
pub(crate) use position::checked_position;
pub(crate) use quantiles::QUANTILES_MAX;
pub(crate) use raise::error_function;
pub(crate) use row_id::row_id;
pub(crate) use sample::{sample_batch, sample_row};
pub(crate) use shift::shift_count;
pub(crate) use single_value::single_value;
pub(crate) use sliding::sliding;
pub(crate) use sum::{Sums, placed};
pub(crate) use whole::whole_number;
pub(crate) use wrapping::wrapping;

/// Whether `function` takes decimals in 64 bits where it was planned over 128.
pub(crate) fn takes_narrow(function: &AggregateUDF, is_distinct: bool, has_groups: bool) -> bool {
    let inner = function.inner();
    !is_distinct && (inner.is::<sum::CheckedSum>() || has_groups && inner.is::<avg::ExactAvg>())
}

/// Whether `function` is the language's SUM.
pub(crate) fn is_sum(function: &AggregateUDF) -> bool {
    function.inner().is::<sum::CheckedSum>()
}

/// Whether `function` is the language's AVG.
pub(crate) fn is_average(function: &AggregateUDF) -> bool {
    function.inner().is::<avg::ExactAvg>()
}

/// Functions that no query could call: for values of a type that the language does not have, for DataFusion's own scans, and some
/// that tell of DataFusion's inside: its version, how a plan calls a column.
const UNREACHABLE: &[&str] = &[
    "union_extract",
    "union_tag",
    "file_row_index",
    "input_file_name",
    "version",
    "arrow_field",
];

/// The kinds of functions, by lower-case name and alias.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    scalar: RwLock<HashMap<String, Arc<ScalarUDF>>>,
    aggregate: RwLock<HashMap<String, Arc<AggregateUDF>>>,
    window: RwLock<HashMap<String, Arc<WindowUDF>>>,
    /// Functions that take a lambda.
    higher_order: RwLock<HashMap<String, Arc<HigherOrderUDF>>>,
}

impl Functions {
    pub(crate) fn new() -> Result<Self> {
        let functions = Functions::default();
        let reachable = |function: &Arc<ScalarUDF>| !UNREACHABLE.contains(&function.name());
        for function in SessionStateDefaults::default_scalar_functions()
            .into_iter()
            .filter(reachable)
        {
            let function = length::character_length(bounded::bounded(function));
            functions.register_scalar(field::null_aware_field(function));
        }
        for function in SessionStateDefaults::default_aggregate_functions() {
            functions.register_aggregate(function);
        }
        for function in SessionStateDefaults::default_window_functions() {
            functions.register_window(function);
        }
        for function in SessionStateDefaults::default_higher_order_functions() {
            let aliases = function.aliases().to_vec();
            put(
                &functions.higher_order,
                function.name(),
                &aliases,
                &function,
            );
        }
        functions.register_aggregate(sum::checked_sum());
        functions.register_aggregate(avg::exact_avg());
        functions.register_aggregate(quantiles::approx_quantiles());
        functions.register_scalar(format::format_function());
        functions.register_scalar(to_json::to_json_string());
        Ok(functions)
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        get(&self.scalar, name)
    }

    pub(crate) fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        get(&self.aggregate, name)
    }

    pub(crate) fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        get(&self.window, name)
    }

    pub(crate) fn higher_order(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        get(&self.higher_order, name)
    }

    pub(crate) fn register_scalar(&self, function: Arc<ScalarUDF>) {
        put(&self.scalar, function.name(), function.aliases(), &function);
    }

    pub(crate) fn register_aggregate(&self, function: Arc<AggregateUDF>) {
        put(
            &self.aggregate,
            function.name(),
            function.aliases(),
            &function,
        );
    }

    pub(crate) fn register_window(&self, function: Arc<WindowUDF>) {
        put(&self.window, function.name(), function.aliases(), &function);
    }

    /// Every function's name, in order: for "did you mean".
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        names.extend(read(&self.scalar).keys().cloned());
        names.extend(read(&self.aggregate).keys().cloned());
        names.extend(read(&self.window).keys().cloned());
        names.extend(read(&self.higher_order).keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    pub(crate) fn all_scalar(&self) -> Vec<Arc<ScalarUDF>> {
        read(&self.scalar).values().cloned().collect()
    }

    pub(crate) fn all_aggregate(&self) -> Vec<Arc<AggregateUDF>> {
        read(&self.aggregate).values().cloned().collect()
    }

    pub(crate) fn all_window(&self) -> Vec<Arc<WindowUDF>> {
        read(&self.window).values().cloned().collect()
    }
}

type ByName<T> = RwLock<HashMap<String, Arc<T>>>;

fn read<T>(functions: &ByName<T>) -> std::sync::RwLockReadGuard<'_, HashMap<String, Arc<T>>> {
    functions.read().unwrap_or_else(PoisonError::into_inner)
}

fn get<T>(functions: &ByName<T>, name: &str) -> Option<Arc<T>> {
    read(functions).get(&name.to_ascii_lowercase()).cloned()
}

fn put<T>(functions: &ByName<T>, name: &str, aliases: &[String], function: &Arc<T>) {
    let mut functions = functions.write().unwrap_or_else(PoisonError::into_inner);
    for name in aliases.iter().map(String::as_str).chain([name]) {
        functions.insert(name.to_ascii_lowercase(), Arc::clone(function));
    }
}
