//! Where texts come from: files and standard input, read whole.

use std::io::{self, Read};
use std::path::Path;

use crate::report::Text;
use crate::stop::Stop;

/// What a text from there is called.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// A text given on the command line.
pub(crate) fn given(text: &str) -> Text {
    Text {
        name: "query".to_string(),
        text: text.to_string(),
    }
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Text, Stop> {
    if path.as_os_str() == "-" {
        return standard_input();
    }
    tidemill::on_this_machine(path).map_err(Stop::Unopened)?;
    let missing = |reason: String| {
        let path = path.display();
        Stop::Unreadable(format!("the script {path} cannot be read: {reason}"))
    };
    let bytes = std::fs::read(path).map_err(|error| missing(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        missing(format!(
            "not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(Text {
        name: path.display().to_string(),
        text,
    })
}

pub(crate) fn standard_input() -> Result<Text, Stop> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|error| {
        Stop::Unreadable(format!("standard input cannot be read as text: {error}"))
    })?;
    Ok(Text {
        name: STANDARD_INPUT.to_string(),
        text,
    })
}
