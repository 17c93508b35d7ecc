//! The client that all questions go through: its connections stay for the next ones.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::request::place;
use crate::error::{Error, ErrorKind, Result};

/// A connection is there within this time.
const CONNECT: Duration = Duration::from_secs(10);
/// Headers are there within this time, and from then on some bytes each time.
const ANSWER: Duration = Duration::from_secs(20);

/// Who may vouch for a machine, instead of those that the program knows: the first of these names a file.
const BUNDLES: [&str; 2] = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"];

pub(super) fn agent() -> Result<&'static Agent> {
    static AGENT: OnceLock<Result<Agent>> = OnceLock::new();
    AGENT.get_or_init(make).as_ref().map_err(Clone::clone)
}

fn make() -> Result<Agent> {
    let given = BUNDLES.iter().filter_map(std::env::var_os);
    let file = { given }.find(|file| !file.is_empty()).map(PathBuf::from);
    let tls = TlsConfig::builder();
    let tls = match file {
        Some(file) => tls.root_certs(RootCerts::new_with_certs(&certificates(&file)?)),
        None => tls,
    };
    Ok(Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(ANSWER))
        .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
        // A range is of the bytes as they are stored.
        .accept_encoding("identity")
        .build()
        .new_agent())
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let refused = |message: String| {
        Error::new(ErrorKind::Input, "TM0761", message)
            .in_file(place(file))
            .hint("AWS_CA_BUNDLE or SSL_CERT_FILE names a file of certificates (PEM)")
    };
    let text = std::fs::read(file)
        .map_err(|error| refused(format!("the certificates cannot be read: {error}")))?;
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = items.collect();
    if found.is_empty() {
        return Err(refused("there is no certificate in the file".to_string()));
    }
    Ok(found)
}
