//! Asking another machine: a GET, for a range of bytes or all of them, within a time, and again where that may help.

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, BodyReader, RequestExt};

use super::agent::agent;
use super::s3::Bucket;
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// How often it is asked, and how long it waits before it asks again: each time so many times longer.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const WAIT_GROWS: u32 = 4;

/// Bytes that are looked at of what a machine says when it refuses.
const REASON_BYTES: u64 = 8 * 1024;

/// What is asked for.
pub(super) enum Target {
    /// Escaped, and without what is behind a `#`.
    Url(String),
    Key {
        bucket: Bucket,
        key: String,
    },
}

/// What was answered: it has a body, or the part of it that was asked for, or says that there is no such part (416) or that the
/// object is another by now (412).
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: BodyReader<'static>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bytes of the whole object, where a part of it was given.
    pub(super) fn whole_length(&self) -> Option<u64> {
        let range = self.header("content-range")?.strip_prefix("bytes ")?;
        range.rsplit_once('/')?.1.trim().parse().ok()
    }

    /// Where the part begins that was given.
    pub(super) fn start(&self) -> Option<u64> {
        let range = self.header("content-range")?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.trim().parse().ok()
    }
}

/// Attempts that are left.
pub(super) struct Patience {
    made: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Patience { made: 0 }
    }

    /// Waits before the next attempt; gives `trouble` back when there is none. Who was `silent` for all of its time is asked only
    /// once more.
    fn after(&mut self, trouble: Error, silent: bool) -> Result<()> {
        self.made += if silent { ATTEMPTS / 2 } else { 1 };
        if self.made >= ATTEMPTS {
            return Err(trouble);
        }
        std::thread::sleep(FIRST_WAIT * WAIT_GROWS.pow(self.made - 1));
        Ok(())
    }
}

/// Asks until there is an answer. `shown` is what the object is called in messages; with `strong` the object must still have it as
/// its tag.
pub(super) fn get(
    target: &Target,
    shown: &Path,
    query: &[(&str, &str)],
    range: Option<&Range<u64>>,
    strong: Option<&str>,
) -> Result<Answer> {
    let agent = agent()?;
    let mut patience = Patience::new();
    loop {
        let mut silent = false;
        let trouble = match once(agent, target, query, range, strong) {
            Ok(answer) => match answer.status {
                200 | 206 | 412 | 416 => return Ok(answer),
                408 | 429 | 500 | 502 | 503 | 504 => refused(answer, target, shown),
                _ => return Err(refused(answer, target, shown)),
            },
            Err(error) if may_pass(&error) => {
                silent = matches!(error, ureq::Error::Timeout(_));
                unreached(&error, shown)
            }
            Err(error) => return Err(unreached(&error, shown)),
        };
        patience.after(trouble, silent)?;
    }
}

fn once(
    agent: &Agent,
    target: &Target,
    query: &[(&str, &str)],
    range: Option<&Range<u64>>,
    strong: Option<&str>,
) -> Result<Answer, ureq::Error> {
    let range = range.map(|range| format!("bytes={}-{}", range.start, range.end.max(1) - 1));
    let (url, headers) = match target {
        Target::Url(url) => (url.clone(), Vec::new()),
        Target::Key { bucket, key } => bucket.get(key, query, range.as_deref()),
    };
    let mut request = ureq::http::Request::get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(range) = range {
        request = request.header("range", range);
    }
    if let Some(tag) = strong {
        request = request.header("if-match", tag);
    }
    let request = request.body(())?.with_agent(agent);
    let response = match target {
        Target::Url(_) => request.run()?,
        // A signature is for one address; who is sent to another has given a wrong region.
        Target::Key { .. } => {
            let request = request.configure().max_redirects(0);
            request.max_redirects_will_error(false).run()?
        }
    };
    Ok(answer(response))
}

fn answer(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.into_with_config().limit(u64::MAX).reader(),
    }
}

/// Whether the same may succeed when it is asked again.
fn may_pass(error: &ureq::Error) -> bool {
    use ureq::Error::{ConnectionFailed, Io, Protocol, Timeout};
    matches!(error, Io(_) | Timeout(_) | ConnectionFailed | Protocol(_))
}

/// The machine answered that it will not.
fn refused(answer: Answer, target: &Target, shown: &Path) -> Error {
    let status = answer.status;
    let region = answer.header("x-amz-bucket-region").map(str::to_string);
    let words = ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let mut said = Vec::new();
    // What it says besides is of use, and may be missing.
    let _ = answer.body.take(REASON_BYTES).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said).into_owned();
    let code = super::list::element(&said, "Code").unwrap_or_default();
    let mut message = format!("the server answered {status} {words}");
    if !code.is_empty() {
        message += &format!(" ({code})");
    }
    let (kind, number, hint) = match (status, target) {
        (404 | 410, Target::Url(_)) => (ErrorKind::Io, "TM0703", "there is no such file"),
        (404 | 410, Target::Key { .. }) => (
            ErrorKind::Io,
            "TM0703",
            "there is no object of this name; a folder is named with a slash at its end, or by a pattern: 's3://bucket/folder/*.parquet'",
        ),
        (401 | 403, Target::Key { bucket, .. }) if !bucket.is_signed() => (
            ErrorKind::Input,
            "TM0761",
            "the request was not signed: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (401 | 403, Target::Key { .. }) => (
            ErrorKind::Input,
            "TM0761",
            "the keys of the AWS_* variables may not read this object, or are of another store (AWS_ENDPOINT_URL, AWS_REGION)",
        ),
        (401 | 403, Target::Url(_)) => (
            ErrorKind::Input,
            "TM0761",
            "the address needs a permission; a signed address may have run out",
        ),
        (300..=399, Target::Key { .. }) => (
            ErrorKind::Input,
            "TM0761",
            "the bucket is in another region: set AWS_REGION",
        ),
        (408 | 429 | 500..=599, _) => (ErrorKind::Unavailable, "TM0762", "try again later"),
        _ => (
            ErrorKind::Input,
            "TM0761",
            "look at the address in another program: curl -I URL",
        ),
    };
    let error = Error::new(kind, number, message).in_file(place(shown));
    match region {
        Some(region) if (300..=400).contains(&status) => error.hint(format!(
            "the bucket is in another region: set AWS_REGION={region}"
        )),
        _ => error.hint(hint),
    }
}

/// Nobody answered.
fn unreached(error: &ureq::Error, shown: &Path) -> Error {
    use ureq::Error::{
        BadUri, ConnectProxyFailed, HostNotFound, Http, Io, Rustls, Timeout, Tls, TooManyRedirects,
    };
    let reason = match error {
        HostNotFound => "its name is not known".to_string(),
        Timeout(_) => "it did not answer in time".to_string(),
        Io(error) => error.to_string(),
        Rustls(error) => format!("the connection would not be safe: {error}"),
        Tls(reason) => format!("the connection would not be safe: {reason}"),
        TooManyRedirects => "it sends to ever other addresses".to_string(),
        ConnectProxyFailed(_) => "the proxy refuses".to_string(),
        BadUri(_) | Http(_) => {
            let message = "this is no address that can be asked";
            return Error::new(ErrorKind::Input, "TM0761", message)
                .in_file(place(shown))
                .hint("an address is https://host/path or s3://bucket/name");
        }
        _ => "the connection broke".to_string(),
    };
    Error::new(
        ErrorKind::Unavailable,
        "TM0762",
        format!("the server cannot be read from: {reason}"),
    )
    .in_file(place(shown))
    .hint("is the address right, and the network there?")
}

/// A body that ended, or stopped, too early: waits before it is asked for again.
pub(super) fn broken(
    patience: &mut Patience,
    error: Option<&std::io::Error>,
    shown: &Path,
) -> Result<()> {
    let silent = error.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
    let reason = match error {
        Some(_) if silent => "it did not go on in time".to_string(),
        Some(error) => error.to_string(),
        None => "the connection ended early".to_string(),
    };
    let message = format!("the server cannot be read from: {reason}");
    let trouble = Error::new(ErrorKind::Unavailable, "TM0762", message)
        .in_file(place(shown))
        .hint("try again later");
    patience.after(trouble, silent)
}

pub(super) fn place(shown: &Path) -> FilePlace {
    FilePlace {
        path: shown.to_path_buf(),
        ..FilePlace::default()
    }
}
