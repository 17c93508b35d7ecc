//! What the statements of a session said: variables, constants, declared parameters, settings, and functions written in the
//! language, which are kept as syntax trees until a call gives them arguments.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::settings::Settings;
use crate::lang::ast;

/// Cheap to clone for one statement; a statement that changes it changes a copy that later statements see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) settings: Settings,
    values: Vec<SessionValue>,
    parameters: Vec<DeclaredParameter>,
    functions: HashMap<String, Arc<Macro<ast::Expr>>>,
    table_functions: HashMap<String, Arc<Macro<ast::Query>>>,
}

/// A script variable or a constant.
#[derive(Debug, Clone)]
pub(crate) struct SessionValue {
    pub(crate) name: String,
    pub(crate) value: ScalarValue,
    pub(crate) is_constant: bool,
}

/// `DECLARE PARAMETER @name T DEFAULT value`
#[derive(Debug, Clone)]
pub(crate) struct DeclaredParameter {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) default: Option<ScalarValue>,
}

/// A function written in the language.
#[derive(Debug, Clone)]
pub(crate) struct Macro<Body> {
    pub(crate) name: String,
    pub(crate) params: Vec<ast::FunctionParam>,
    pub(crate) returns: Option<ast::TypeName>,
    pub(crate) body: Body,
    /// The text that the places in its tree count in.
    pub(crate) text: Arc<str>,
    /// The name of the module it came from: what it names is looked for there first.
    pub(crate) module: Option<String>,
}

impl Session {
    /// Puts in what another session has and this one has not.
    pub(crate) fn add_missing(&mut self, other: &Session) {
        for value in &other.values {
            if self.value(&value.name).is_none() {
                self.values.push(value.clone());
            }
        }
        for parameter in &other.parameters {
            if self.parameter(&parameter.name).is_none() {
                self.parameters.push(parameter.clone());
            }
        }
        for (name, function) in &other.functions {
            let own = self.functions.entry(name.clone());
            own.or_insert_with(|| Arc::clone(function));
        }
        for (name, function) in &other.table_functions {
            let own = self.table_functions.entry(name.clone());
            own.or_insert_with(|| Arc::clone(function));
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&SessionValue> {
        let mut values = self.values.iter();
        values.find(|value| value.name.eq_ignore_ascii_case(name))
    }

    /// Variables and constants, in the order they were first named.
    pub(crate) fn values(&self) -> &[SessionValue] {
        &self.values
    }

    pub(crate) fn set_value(&mut self, value: SessionValue) {
        let mut values = self.values.iter_mut();
        match values.find(|other| other.name.eq_ignore_ascii_case(&value.name)) {
            Some(older) => *older = value,
            None => self.values.push(value),
        }
    }

    /// Whether there was such a constant.
    pub(crate) fn drop_constant(&mut self, name: &str) -> bool {
        let before = self.values.len();
        self.values
            .retain(|value| !(value.is_constant && value.name.eq_ignore_ascii_case(name)));
        self.values.len() < before
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&DeclaredParameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn declare_parameter(&mut self, parameter: DeclaredParameter) {
        self.parameters
            .retain(|other| !other.name.eq_ignore_ascii_case(&parameter.name));
        self.parameters.push(parameter);
    }

    pub(crate) fn function(&self, name: &str) -> Option<&Arc<Macro<ast::Expr>>> {
        self.functions.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn table_function(&self, name: &str) -> Option<&Arc<Macro<ast::Query>>> {
        self.table_functions.get(&name.to_ascii_lowercase())
    }

    /// Functions and table functions, by name.
    pub(crate) fn functions(&self) -> Vec<&Arc<Macro<ast::Expr>>> {
        let mut functions: Vec<_> = self.functions.values().collect();
        functions.sort_by_key(|function| function.name.to_ascii_lowercase());
        functions
    }

    pub(crate) fn table_functions(&self) -> Vec<&Arc<Macro<ast::Query>>> {
        let mut functions: Vec<_> = self.table_functions.values().collect();
        functions.sort_by_key(|function| function.name.to_ascii_lowercase());
        functions
    }

    pub(crate) fn add_function(&mut self, function: Macro<ast::Expr>) {
        let name = function.name.to_ascii_lowercase();
        self.functions.insert(name, Arc::new(function));
    }

    pub(crate) fn add_table_function(&mut self, function: Macro<ast::Query>) {
        let name = function.name.to_ascii_lowercase();
        self.table_functions.insert(name, Arc::new(function));
    }

    /// Whether there was such a function.
    pub(crate) fn drop_function(&mut self, name: &str) -> bool {
        self.functions.remove(&name.to_ascii_lowercase()).is_some()
    }

    /// Whether there was such a table function.
    pub(crate) fn drop_table_function(&mut self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.table_functions.remove(&name).is_some()
    }
}
