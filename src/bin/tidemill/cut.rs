//! `--until` and `--step`: the statements of a run, cut to a prefix.

use tidemill::Statement;

use crate::flags::Flags;
use crate::report::Text;
use crate::stop::Stop;

/// Cuts what is to run. Both flags mean the last text.
pub(crate) fn cut(flags: &Flags, parsed: &mut [(&Text, Vec<Statement>)]) -> Result<(), Stop> {
    let Some((text, statements)) = parsed.last_mut() else {
        return Ok(());
    };
    let count = match (flags.until, flags.step) {
        (None, None) => return Ok(()),
        (_, Some(step)) => step,
        (Some(line), None) => match until(line, text, statements)? {
            Some(count) => count,
            None => return Ok(()),
        },
    };
    let Some(last) = statements.last_mut() else {
        return Err(Stop::Usage("the text holds no statement".to_string()));
    };
    let prefix = last.prefix(count);
    *last = prefix.map_err(|error| Stop::wrong_text(vec![error], text, flags.error_format()))?;
    Ok(())
}

/// Takes the last statement away, with the text that it stands in.
pub(crate) fn last<'t>(parsed: &mut [(&'t Text, Vec<Statement>)]) -> Option<(&'t Text, Statement)> {
    let (text, statements) = parsed.last_mut()?;
    Some((*text, statements.pop()?))
}

/// Leaves out the statements below a line; how many steps of the last one begin above it, if it has more.
fn until(line: usize, text: &Text, statements: &mut Vec<Statement>) -> Result<Option<usize>, Stop> {
    let line_of = |span: tidemill::Span| span.line_and_column(&text.text).0;
    statements.retain(|statement| line_of(statement.span()) <= line);
    let Some(last) = statements.last() else {
        return Err(Stop::Usage(format!(
            "no statement begins up to line {line}"
        )));
    };
    let steps = last.steps();
    let above = steps.iter().filter(|step| line_of(**step) <= line).count();
    Ok((above < steps.len()).then_some(above))
}
