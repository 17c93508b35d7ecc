//! Values of parameters on the command line.

use clap::Args;
use tidemill::{ParamMap, Value};

use crate::stop::Stop;

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
        let mut params = ParamMap::new();
        for param in &self.param {
            let Some((name, value)) = param.split_once('=') else {
                return Err(Stop::Usage(format!(
                    "--param takes NAME=VALUE, not `{param}`; values of ? are given by --arg VALUE"
                )));
            };
            params.set_text(name.trim_start_matches('@'), value);
        }
        for value in &self.arg {
            params.push(Value::from_text(value));
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
