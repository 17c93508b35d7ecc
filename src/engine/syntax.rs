//! What can be done with a text without running it.

use super::query::on_planner_stack;
use crate::error::Error;
use crate::lang::{self, Options};

/// Texts as texts: nothing is looked up and nothing runs.
///
/// ```
/// let tree = tidemill::Syntax::new().json("FROM t |> LIMIT 1").expect("a valid query");
/// let tree: serde_json::Value = serde_json::from_str(&tree).expect("JSON");
/// assert_eq!(tree["statements"][0]["of"]["pipes"][0]["node"], "limit");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Syntax {
    options: Options,
}

impl Syntax {
    /// The language as it is without any option.
    pub fn new() -> Self {
        Syntax::default()
    }

    /// `"…"` holds a text and not a name, as after `SET @@double_quotes = 'string'`.
    #[must_use]
    pub fn double_quotes_are_strings(mut self, strings: bool) -> Self {
        self.options.double_quotes_are_strings = strings;
        self
    }

    /// The syntax tree of `text` as JSON.
    ///
    /// The whole is `{"version": 1, "statements": […]}`. What can be several things says which one it is in `node` and has its parts in
    /// `of`; `span` and `keyword` are places: `{"start", "end", "line", "column"}`, bytes from 0, lines and characters from 1. What was
    /// not written is `null` or an empty list. The version rises when a member changes its meaning or goes away; new ones may appear.
    ///
    /// # Errors
    /// Every statement that cannot be parsed gives one error.
    ///
    /// ```
    /// let errors = tidemill::Syntax::new().json("FROM t |> FILTER a").expect_err("no such operator");
    /// assert_eq!(errors[0].code(), "TM0102");
    /// ```
    pub fn json(&self, text: &str) -> Result<String, Vec<Error>> {
        self.read(text, |script| {
            lang::json::json(script, text).map_err(|error| vec![error])
        })
    }

    /// Parses `text` and goes on with its tree, all on a stack that holds the deepest one.
    fn read<T: Send>(
        &self,
        text: &str,
        work: impl FnOnce(&lang::ast::Script) -> Result<T, Vec<Error>> + Send,
    ) -> Result<T, Vec<Error>> {
        on_planner_stack(|| {
            Ok(lang::parse_with(text, self.options).and_then(|script| work(&script)))
        })
        .map_err(|error| vec![error])?
    }
}
