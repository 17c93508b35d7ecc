//! What can be done with a text without running it.

use super::planning::on_planner_stack;
use crate::error::{Error, Span};
use crate::lang::classes::classes;
use crate::lang::ending::ending;
use crate::lang::{self, Options};

pub use crate::lang::classes::SyntaxClass;
pub use crate::lang::ending::Ending;

/// A word or sign of a text. See [`Syntax::parts`].
///
/// ```
/// use tidemill::{Span, Syntax};
/// assert_eq!(Syntax::new().parts("FROM t")[1].span, Span::new(5, 6));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyntaxPart {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub class: SyntaxClass,
}

/// Texts as texts: nothing is looked up and nothing runs.
///
/// ```
/// let tree = tidemill::Syntax::new().json("FROM t |> LIMIT 1").expect("a valid query");
/// let tree: serde_json::Value = serde_json::from_str(&tree).expect("JSON");
/// assert_eq!(tree["statements"][0]["of"]["pipes"][0]["node"], "limit");
/// ```
#[derive(Debug, Clone)]
pub struct Syntax {
    options: Options,
    width: usize,
}

impl Default for Syntax {
    fn default() -> Self {
        Syntax {
            options: Options::default(),
            width: 100,
        }
    }
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

    /// How many characters a line of [`Syntax::format`] should hold; 100 where nothing is said. One word may be longer.
    #[must_use]
    pub fn width(mut self, characters: usize) -> Self {
        self.width = characters;
        self
    }

    /// The words and signs of `text`, in order, for showing them. Between them there are only blanks. A text that is being written and
    /// does not parse has them too.
    ///
    /// ```
    /// use tidemill::{Syntax, SyntaxClass};
    /// let text = "FROM t |> WHERE lower(x";
    /// let parts = Syntax::new().parts(text);
    /// let classes: Vec<_> = parts.iter().map(|part| (&text[part.span.start..part.span.end], part.class)).collect();
    /// assert_eq!(classes[2..5], [
    ///     ("|>", SyntaxClass::Pipe),
    ///     ("WHERE", SyntaxClass::Keyword),
    ///     ("lower", SyntaxClass::Function),
    /// ]);
    /// ```
    pub fn parts(&self, text: &str) -> Vec<SyntaxPart> {
        let parts = classes(text, self.options).into_iter();
        parts
            .map(|(span, class)| SyntaxPart { span, class })
            .collect()
    }

    /// How `text` ends: what a shell asks when Enter is pressed. Whether it names what is there is not looked at.
    ///
    /// ```
    /// use tidemill::{Ending, Syntax};
    /// assert_eq!(Syntax::new().ending("FROM t |> WHERE x = 1"), Ending::Complete);
    /// assert_eq!(Syntax::new().ending("FROM t |> WHERE x ="), Ending::Early);
    /// assert_eq!(Syntax::new().ending("FROM 'a.csv"), Ending::Quoted);
    /// ```
    pub fn ending(&self, text: &str) -> Ending {
        // A text that the planner's stack cannot be had for ends as what is wrong does: whoever runs it is told.
        on_planner_stack(|| Ok(ending(text, self.options))).unwrap_or(Ending::Wrong)
    }

    /// The canonical layout of `text`: the same tokens, keywords in upper case, a line for each pipe operator, every comment kept.
    /// Doing it again changes nothing.
    ///
    /// An unnamed column is called by its source text, so that its name may change with the blanks in it.
    ///
    /// # Errors
    /// Every statement that cannot be parsed gives one error.
    ///
    /// ```
    /// let text = "from t |> where a>1 -- big\n|> aggregate sum(b) as s group by c;";
    /// assert_eq!(
    ///     tidemill::Syntax::new().format(text).expect("a valid query"),
    ///     "FROM t\n|> WHERE a > 1 -- big\n|> AGGREGATE sum(b) AS s\n   GROUP BY c;\n"
    /// );
    /// ```
    pub fn format(&self, text: &str) -> Result<String, Vec<Error>> {
        on_planner_stack(|| Ok(lang::format::format(text, self.options, self.width)))
            .map_err(|error| vec![error])?
    }

    /// The text of the syntax tree of `text`: every part in the one canonical way, laid out as [`Syntax::format`] does it. Comments and
    /// needless parentheses are gone, texts and names are quoted so that they read the same whatever double quotes hold.
    ///
    /// # Errors
    /// Every statement that cannot be parsed gives one error.
    ///
    /// ```
    /// let text = "select (a == 1) or (b and not (c)) is_it from t left outer join u using(k) -- why";
    /// let canonical = tidemill::Syntax::new().canonical(text).expect("a valid query");
    /// assert_eq!(canonical, "SELECT a = 1 OR b AND NOT c AS is_it FROM t LEFT JOIN u USING (k);\n");
    /// ```
    pub fn canonical(&self, text: &str) -> Result<String, Vec<Error>> {
        let write = |script| {
            lang::format::format(&lang::unparse::unparse(&script), self.options, self.width)
        };
        on_planner_stack(|| Ok(lang::parse_with(text, self.options).and_then(write)))
            .map_err(|error| vec![error])?
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
        let json = |script| lang::json::json(&script, text).map_err(|error| vec![error]);
        on_planner_stack(|| Ok(lang::parse_with(text, self.options).and_then(json)))
            .map_err(|error| vec![error])?
    }
}
