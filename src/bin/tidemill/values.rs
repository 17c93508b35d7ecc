//! Values of parameters: on the command line, and in TOML files.

use std::path::PathBuf;

use clap::Args;
use tidemill::{ParamMap, Value};
use toml::Spanned;

use crate::stop::Stop;
use crate::toml_file::TomlFile;

#[derive(Debug, Args)]
pub(crate) struct Values {
    /// The value of @NAME; numbers, true, false, null and dates are taken as such, 'quoted' is text
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    param: Vec<String>,

    /// The value of the next ?
    #[arg(long = "arg", value_name = "VALUE", allow_hyphen_values = true)]
    arg: Vec<String>,
}

impl Values {
    pub(crate) fn params(&self) -> Result<ParamMap, Stop> {
        self.params_over(ParamMap::new())
    }

    /// The values of the command line, and those of `params` that it does not give.
    pub(crate) fn params_over(&self, mut params: ParamMap) -> Result<ParamMap, Stop> {
        for param in &self.param {
            let Some((name, value)) = param.split_once('=') else {
                return Err(Stop::Usage(format!(
                    "--param takes NAME=VALUE, not `{param}`; values of ? are given by --arg VALUE"
                )));
            };
            let name = name.trim_start_matches('@');
            params.set(name, number_that_fits(value, &format!("--param {name}"))?);
        }
        for value in &self.arg {
            params.push(number_that_fits(value, "--arg")?);
        }
        Ok(params)
    }

    /// A value that nothing asks for is a slip of the pen: a name written wrong, or one `?` too few.
    pub(crate) fn are_used(&self, asked: &[String]) -> Result<(), Stop> {
        for param in &self.param {
            let name = param.split('=').next().unwrap_or(param);
            let name = name.trim_start_matches('@');
            if !asked.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                let message = match asked {
                    [] => format!("no statement asks for @{name}, or for any other value"),
                    asked => format!(
                        "no statement asks for @{name}: they ask for @{}",
                        asked.join(", @")
                    ),
                };
                return Err(Stop::Usage(message));
            }
        }
        let numbers = asked.iter().filter_map(|name| name.parse::<usize>().ok());
        let last = numbers.max().unwrap_or(0);
        if self.arg.len() > last {
            let given = self.arg.len();
            return Err(Stop::Usage(format!(
                "{given} values are given with --arg and {last} are asked for by ?"
            )));
        }
        Ok(())
    }
}

/// The values that TOML files give, `NAME = VALUE` each; a later file wins.
pub(crate) fn from_files(paths: &[PathBuf]) -> Result<ParamMap, Stop> {
    let mut params = ParamMap::new();
    for path in paths {
        let file = TomlFile::read(path)?;
        for (name, entry) in file.entries()? {
            params.set(name.trim_start_matches('@'), value(&file, &name, &entry)?);
        }
    }
    Ok(params)
}

fn value(file: &TomlFile, name: &str, entry: &Spanned<toml::Value>) -> Result<Value, Stop> {
    Ok(match entry.get_ref() {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        // A date as it is; what a declared parameter makes of a time, it makes of its text.
        toml::Value::Datetime(time) => Value::from_text(&time.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => {
            let message = format!("the value of `{name}` is no text, number, date, true or false");
            return Err(file.wrong(entry.span(), &message));
        }
    })
}

/// The value by its look. A number that no type of the language holds is refused, not rounded.
fn number_that_fits(text: &str, flag: &str) -> Result<Value, Stop> {
    Value::try_from_text(text).ok_or_else(|| {
        Stop::Usage(format!(
            "{flag}: the number {text} is too large for any type; in 'quotes' it is text"
        ))
    })
}
