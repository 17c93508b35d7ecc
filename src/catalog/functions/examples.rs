//! A working example of every function. SHOW FUNCTIONS prints them, and a test runs each.
//!
//! A line of `examples.txt` is `NAME: QUERY => ANSWER`; the SELECT of an expression is left out, and the rows of an answer stand
//! between slashes. Another name of a function needs no line of its own. `FROM NAME: QUERY => ANSWER` is about the table of that name.

/// What can be tried, and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) query: String,
    pub(crate) answer: String,
}

const EXAMPLES: &str = include_str!("examples.txt");

/// The example of a function that is called `name`, and `own` where it is defined.
pub(crate) fn example(name: &str, own: &str) -> Option<Example> {
    let (name, own) = (name.to_uppercase(), own.to_uppercase());
    line_of(&name).or_else(|| {
        let Example { query, answer } = line_of(&own)?;
        let query = query.replace(&format!("{own}("), &format!("{name}("));
        Some(Example { query, answer })
    })
}

/// The example of a function in FROM, where one of the same name gives an array elsewhere.
pub(crate) fn table_example(name: &str) -> Option<Example> {
    let name = name.to_uppercase();
    line_of(&format!("FROM {name}")).or_else(|| line_of(&name))
}

fn line_of(name: &str) -> Option<Example> {
    let mut lines = EXAMPLES.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    let (query, answer) = line.rsplit_once(" => ")?;
    let whole = query.starts_with("FROM ");
    let query = match whole {
        true => query.to_string(),
        false => format!("SELECT {query}"),
    };
    let answer = answer.to_string();
    Some(Example { query, answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_takes_the_place_of_the_first() {
        let example = example("list_sort", "array_sort").unwrap();
        assert_eq!(example.query, "SELECT LIST_SORT([3, 1, 2])");
        assert!(super::example("nothing", "nothing").is_none());
    }
}
