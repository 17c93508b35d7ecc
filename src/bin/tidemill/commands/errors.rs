//! `tidemill errors`: what an error code means, or a list of all of them.

use clap::Args;
use tidemill::codes::{self, CODES};

use super::{Reading, answer};
use crate::results::stdout_width;
use crate::stop::Stop;

/// Explain an error code: what it means, how it comes about, what to do
#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// A code, such as TM0203; without one all of them are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Errors {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let Some(asked) = &self.code else {
            let lines = CODES
                .iter()
                .map(|code| format!("{}  {}\n", code.code, code.meaning));
            return answer(&lines.collect::<String>());
        };
        match codes::find(asked.trim_matches(['[', ']'])) {
            Some(code) => {
                let page = format!("{code}\n");
                answer(&match stdout_width() {
                    Some(width) => wrapped(&page, usize::from(width)),
                    None => page,
                })
            }
            None => Err(Stop::Usage(format!(
                "no error has the code {asked}; `tidemill errors` lists all of them"
            ))),
        }
    }
}

/// The sentences of a page in lines of so many characters, broken between words. Examples, which stand further in, stay as they are.
fn wrapped(page: &str, width: usize) -> String {
    let mut text = String::new();
    for line in page.lines() {
        let mut used = 0;
        for word in line.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if used > 0 && used + length > width && !line.starts_with(' ') {
                text.truncate(text.trim_end().len());
                text.push('\n');
                used = 0;
            }
            text.push_str(word);
            used += word.chars().count();
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn sentences_are_broken_between_words() {
        let page = "one two three\n\n  one two three\nlonger_than_that\n";
        let expected = "one two\nthree\n\n  one two three\nlonger_than_that\n";
        assert_eq!(wrapped(page, 8), expected);
        assert_eq!(wrapped(page, 7), expected);
        assert_eq!(wrapped(page, 80), page);
    }
}
