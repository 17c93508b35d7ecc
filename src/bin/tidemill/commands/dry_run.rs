//! What a run would do, for people.

use std::fmt::Write;

use tidemill::{ParameterOrigin, RunReport, StepReport, StepStatus};

use crate::amounts::{bytes, counted};

/// Parameters, steps, sums.
pub(super) fn shown(plan: &RunReport) -> String {
    let mut text = String::new();
    for parameter in &plan.parameters {
        let origin = match parameter.origin {
            ParameterOrigin::Default => "default",
            ParameterOrigin::Resumed => "of the run to go on with",
            _ => "given",
        };
        let value = parameter.value.as_deref().unwrap_or("NULL");
        let (name, data_type) = (&parameter.name, &parameter.data_type);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "@{name} {data_type} = {value} ({origin})");
    }
    if !plan.parameters.is_empty() {
        text.push('\n');
    }
    for step in &plan.steps {
        text += &one_step(plan, step);
    }
    let runs = plan
        .steps
        .iter()
        .filter(|step| step.status == StepStatus::Planned);
    let (mut steps, mut files, mut size) = (0, 0, 0);
    for step in runs {
        steps += 1;
        files += step
            .inputs
            .iter()
            .map(|input| input.file_count)
            .sum::<u64>();
        size += step.input_bytes();
    }
    let of = plan.steps.len();
    let _ = writeln!(
        text,
        "{steps} of {} would run and read {}, {}",
        counted(of as u64, "step"),
        counted(files, "file"),
        bytes(size)
    );
    text
}

fn one_step(plan: &RunReport, step: &StepReport) -> String {
    let verb = match step.status {
        StepStatus::Planned => "runs",
        _ => "skipped",
    };
    let mut text = format!(
        "{} {}:{}  {}\n",
        step.number, plan.script, step.line, step.statement
    );
    for input in &step.inputs {
        let what = match input.version {
            Some(version) => format!("version {version}"),
            None => format!(
                "{}, {}",
                counted(input.file_count, "file"),
                bytes(input.bytes)
            ),
        };
        let _ = writeln!(text, "    reads {}: {what}", input.name);
    }
    for output in &step.outputs {
        let _ = writeln!(text, "    writes {}", output.name);
    }
    let reason = match step.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let _ = writeln!(text, "    {verb}{reason}");
    text
}
