//! Object stores: where a bucket is, who asks, and names in addresses. What the `AWS_*` variables say counts; files of settings are
//! not read.

use std::sync::Arc;
use std::time::SystemTime;

use super::sign::{self, Credentials, Get};
use super::{Scheme, refused};
use crate::error::{Error, ErrorKind, Result};

/// One store, as the environment describes it.
pub(super) struct Store {
    /// Another one than that of AWS, without a slash at its end.
    endpoint: Option<String>,
    region: String,
    credentials: Option<Credentials>,
}

/// A bucket of a store.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) name: String,
    store: Arc<Store>,
}

impl Store {
    /// What `variable` gives for the names of the environment.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Store> {
        let given = |names: &[&str]| {
            let values = names.iter().filter_map(|name| variable(name));
            { values }.find(|value| !value.is_empty())
        };
        let id = given(&["AWS_ACCESS_KEY_ID"]);
        let secret = given(&["AWS_SECRET_ACCESS_KEY"]);
        let credentials = match (id, secret) {
            (Some(id), Some(secret)) => Some(Credentials {
                id,
                secret,
                token: given(&["AWS_SESSION_TOKEN"]),
            }),
            (None, None) => None,
            _ => {
                let message = "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set";
                return Err(Error::new(ErrorKind::Input, "TM0761", message)
                    .hint("set both, or none of them for objects that everybody may read"));
            }
        };
        let endpoint = given(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        if let Some(endpoint) = &endpoint
            && !matches!(
                super::parts_of(endpoint).and_then(|(scheme, _)| Scheme::of_name(scheme)),
                Some(Scheme::Http | Scheme::Https)
            )
        {
            return Err(refused(
                "AWS_ENDPOINT_URL is no http or https address".to_string(),
            ));
        }
        Ok(Store {
            endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_string()),
            region: given(&["AWS_REGION", "AWS_DEFAULT_REGION"])
                .unwrap_or_else(|| "us-east-1".to_string()),
            credentials,
        })
    }
}

impl Bucket {
    pub(super) fn new(name: &str, store: Store) -> Result<Bucket> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(is_name) {
            let message = format!("`{name}` cannot be the name of a bucket");
            return Err(Error::new(ErrorKind::Input, "TM0761", message)
                .hint("an address is s3://bucket/name, and a bucket is named by letters, digits, `-` and `.`"));
        }
        Ok(Bucket {
            name: name.to_string(),
            store: Arc::new(store),
        })
    }

    /// Whether requests carry a signature.
    pub(super) fn is_signed(&self) -> bool {
        self.store.credentials.is_some()
    }

    /// Scheme and host, and the path that names of the bucket begin with.
    fn base(&self) -> (String, String) {
        let name = &self.name;
        let region = &self.store.region;
        let suffix = match region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        match &self.store.endpoint {
            Some(endpoint) => {
                let host = endpoint.find("://").map_or(0, |at| at + 3);
                let path = endpoint[host..].find('/').map(|at| host + at);
                let (host, path) = endpoint.split_at(path.unwrap_or(endpoint.len()));
                (host.to_string(), format!("{path}/{name}"))
            }
            // A dot in it, and the certificate of the stores is for another host.
            None if name.contains('.') => {
                (format!("https://s3.{region}.{suffix}"), format!("/{name}"))
            }
            None => (
                format!("https://{name}.s3.{region}.{suffix}"),
                String::new(),
            ),
        }
    }

    /// The address of a GET and the headers that sign it. `query` is in the order of its names.
    pub(super) fn get(
        &self,
        key: &str,
        query: &[(&str, &str)],
        range: Option<&str>,
    ) -> (String, Vec<(&'static str, String)>) {
        let (origin, base) = self.base();
        let path = format!("{base}/{}", escaped(key, true));
        let query: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| (escaped(name, false), escaped(value, false)))
            .collect();
        let text: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if text.is_empty() { "" } else { "?" };
        let url = format!("{origin}{path}{mark}{}", text.join("&"));
        let headers = self.store.credentials.as_ref().map(|credentials| {
            let get = Get {
                host: origin.split_once("://").map_or("", |(_, host)| host),
                path: &path,
                query: &query,
                range,
            };
            sign::headers(&get, credentials, &self.store.region, SystemTime::now())
        });
        (url, headers.unwrap_or_default())
    }
}

/// A name as it stands in an address.
fn escaped(name: &str, keeps_slashes: bool) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            b'/' if keeps_slashes => text.push('/'),
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(name: &str, variables: &[(&str, &str)]) -> Bucket {
        let variable = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.to_string())
        };
        Bucket::new(name, Store::of(variable).unwrap()).unwrap()
    }

    #[test]
    fn addresses() {
        let url = |bucket: Bucket| bucket.get("a b/ü?.csv", &[], None).0;
        assert_eq!(
            url(bucket("data", &[])),
            "https://data.s3.us-east-1.amazonaws.com/a%20b/%C3%BC%3F.csv"
        );
        assert_eq!(
            url(bucket("my.data", &[("AWS_REGION", "eu-west-1")])),
            "https://s3.eu-west-1.amazonaws.com/my.data/a%20b/%C3%BC%3F.csv"
        );
        assert_eq!(
            url(bucket(
                "data",
                &[("AWS_ENDPOINT_URL", "http://localhost:9000/")]
            )),
            "http://localhost:9000/data/a%20b/%C3%BC%3F.csv"
        );
        let listed = bucket("data", &[]).get("", &[("list-type", "2"), ("prefix", "a/")], None);
        assert_eq!(
            listed.0,
            "https://data.s3.us-east-1.amazonaws.com/?list-type=2&prefix=a%2F"
        );
        assert_eq!(listed.1, []);
    }

    #[test]
    fn half_of_the_credentials_are_none() {
        let half = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "id".to_string());
        let error = Store::of(half).err().unwrap();
        assert_eq!(error.code(), "TM0761");
        assert!(Bucket::new("a/b", Store::of(|_| None).unwrap()).is_err());
    }
}
