//! Signatures that object stores ask for: version 4 of AWS, in the headers of a request.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Bytes that SHA-256 works on at once.
const BLOCK: usize = 64;

/// The checksum of nothing, which is what a GET sends.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who asks.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// A GET as it is signed.
pub(super) struct Get<'a> {
    pub(super) host: &'a str,
    /// Escaped as it is sent.
    pub(super) path: &'a str,
    /// Names and values, escaped as they are sent, in the order of the names.
    pub(super) query: &'a [(String, String)],
    pub(super) range: Option<&'a str>,
}

/// The headers that make the request one of `credentials`.
pub(super) fn headers(
    get: &Get<'_>,
    credentials: &Credentials,
    region: &str,
    now: SystemTime,
) -> Vec<(&'static str, String)> {
    let time = time_text(now);
    let day = &time[..8];
    let mut signed = vec![("host", get.host.to_string())];
    if let Some(range) = get.range {
        signed.push(("range", range.to_string()));
    }
    signed.push(("x-amz-content-sha256", NOTHING.to_string()));
    signed.push(("x-amz-date", time.clone()));
    if let Some(token) = &credentials.token {
        signed.push(("x-amz-security-token", token.clone()));
    }
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let query: Vec<String> = get
        .query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let canonical = format!(
        "GET\n{}\n{}\n{lines}\n{names}\n{NOTHING}",
        get.path,
        query.join("&")
    );
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = hmac(format!("AWS4{}", credentials.secret).as_bytes(), day);
    for part in [region, "s3", "aws4_request"] {
        key = hmac(&key, part);
    }
    let signature = hex(&hmac(&key, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        credentials.id
    );
    // The client sends the host itself, and the range with the request.
    signed.retain(|(name, _)| !matches!(*name, "host" | "range"));
    signed.push(("authorization", authorization));
    signed
}

/// HMAC with SHA-256, of RFC 2104.
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |pad: u8| {
        let mut hash = Sha256::new();
        hash.update(block.map(|byte| byte ^ pad));
        hash
    };
    let mut inner = keyed(0x36);
    inner.update(text.as_bytes());
    let mut outer = keyed(0x5c);
    outer.update(inner.finalize());
    outer.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The time as signatures have it: `20130524T000000Z`.
fn time_text(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the day that some of them lack is their last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        era * 400 + year + next,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The store's documentation has these two requests with their signatures.
    #[test]
    fn signs_as_the_documentation_does() {
        let credentials = Credentials {
            id: "AKIAIOSFODNN7EXAMPLE".to_string(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_string(),
            token: None,
        };
        let signed = |path: &str, query: &[(String, String)], range: Option<&str>| {
            let get = Get {
                host: "examplebucket.s3.amazonaws.com",
                path,
                query,
                range,
            };
            let headers = headers(&get, &credentials, "us-east-1", at(1_369_353_600));
            headers.last().map(|(_, value)| value.clone()).unwrap()
        };
        let object = signed("/test.txt", &[], Some("bytes=0-9"));
        assert!(
            object.ends_with("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{object}"
        );
        let query = [("max-keys", "2"), ("prefix", "J")]
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let list = signed("/", &query, None);
        assert!(
            list.ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            "{list}"
        );
    }

    #[test]
    fn times() {
        assert_eq!(time_text(at(0)), "19700101T000000Z");
        assert_eq!(time_text(at(951_782_399)), "20000228T235959Z");
        assert_eq!(time_text(at(951_782_400)), "20000229T000000Z");
        assert_eq!(time_text(at(4_107_542_400)), "21000301T000000Z");
    }
}
