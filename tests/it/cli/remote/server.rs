//! A web server of as much HTTP as the tests need: it answers every request with what the test's function says.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, with the names of its headers in small letters.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that is asked for, and the one behind the last.
    pub(super) fn range(&self) -> Option<(usize, usize)> {
        let (start, last) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        Some((start.parse().ok()?, last.parse::<usize>().ok()? + 1))
    }
}

/// What comes back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// The connection ends behind so many bytes of the body.
    pub(super) cut: Option<usize>,
    /// Nothing comes, for as long as the test runs.
    pub(super) silent: bool,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut: None,
            silent: false,
        }
    }

    /// The part of `bytes` that is asked for.
    pub(super) fn part(request: &Request, bytes: &[u8], tag: &str) -> Self {
        let tag = format!("\"{tag}\"");
        if request
            .header("if-match")
            .is_some_and(|wanted| wanted != tag)
        {
            return Reply::new(412, "");
        }
        let mut reply = match request.range() {
            Some((start, _)) if start >= bytes.len() => {
                let mut reply = Reply::new(416, "");
                reply
                    .headers
                    .push(("Content-Range", format!("bytes */{}", bytes.len())));
                reply
            }
            Some((start, end)) => {
                let end = end.min(bytes.len());
                let mut reply = Reply::new(206, &bytes[start..end]);
                let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
                reply.headers.push(("Content-Range", range));
                reply
            }
            None => Reply::new(200, bytes),
        };
        reply.headers.push(("ETag", tag));
        reply
    }
}

type Answers = dyn Fn(&Request) -> Reply + Send + Sync;

pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) fn new(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let log = Arc::clone(&seen);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                std::thread::spawn(move || serve(&connection, &*answers, &log));
            }
        });
        Server { address, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("the log").clone()
    }
}

fn serve(connection: &TcpStream, answers: &Answers, log: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let request = read(&mut reader)?;
        log.lock().ok()?.push(request.clone());
        let reply = answers(&request);
        if reply.silent {
            // Until the other side gives up.
            let mut rest = Vec::new();
            let _ = reader.read_until(0, &mut rest);
            return None;
        }
        let mut text = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let mut connection = connection;
        connection.write_all(text.as_bytes()).ok()?;
        connection.write_all(b"\r\n").ok()?;
        let sent = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
        connection.write_all(&reply.body[..sent]).ok()?;
        if reply.cut.is_some() {
            return None;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let target = line.split(' ').nth(1)?.to_string();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some(Request {
                path: path.to_string(),
                query: query.to_string(),
                headers,
            });
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
}
