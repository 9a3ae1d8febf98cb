//! A model hub on this machine, for the tests. It answers as the real one does, and fails on
//! request.
//!
//! As on the real hub, a large file's `resolve` address answers with its checksum and size and
//! redirects the reader to another host (here the same server by its other name), which knows
//! nothing of commits but serves ranges.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

const COMMIT: &str = "0123456789012345678901234567890123456789";

/// A failure to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Nothing,
    /// The checkpoint does not exist.
    NotFound,
    /// The connection is cut after `after` bytes, but only `times` times.
    Cut {
        after: usize,
        times: usize,
    },
    /// The announced checksum is another file's.
    Checksum,
    /// Ranges are ignored; the first connection is cut in the middle.
    NoRanges,
    /// Every answer is 500.
    Broken,
}

pub(crate) struct Hub {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    files: HashMap<String, Vec<u8>>,
    fault: Fault,
    cuts: usize,
    /// First byte of every requested range, for GET requests of a large file's content.
    asked: Vec<u64>,
    requests: Vec<HubRequest>,
}

/// A request, as the hub sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HubRequest {
    /// Method and address, such as `GET /files/a`.
    pub(crate) line: String,
    /// The host that the request is for.
    pub(crate) host: String,
    pub(crate) token: Option<String>,
}

impl Hub {
    /// Returns a hub with the six-stem model's two files.
    pub(crate) fn new(bag: &str, checkpoint: &[u8]) -> Self {
        Self::of([
            ("htdemucs_6s.yaml", bag.as_bytes()),
            ("5c90dfd2.safetensors", checkpoint),
        ])
    }

    /// Returns a server with these files, by their names.
    pub(crate) fn of<const COUNT: usize>(files: [(&str, &[u8]); COUNT]) -> Self {
        let files = files
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .into();
        let state = Arc::new(Mutex::new(State {
            files,
            fault: Fault::Nothing,
            cuts: 0,
            asked: Vec::new(),
            requests: Vec::new(),
        }));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();

        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &shared));
            }
        });

        Self { port, state }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn fail(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.cuts) = (fault, 0);
    }

    /// Returns the names of the files.
    #[cfg(feature = "tensorrt")]
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().files.keys().cloned().collect()
    }

    /// Returns all requests since the last call.
    pub(crate) fn requests(&self) -> Vec<HubRequest> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Returns the first bytes of the requests for the checkpoint's content since the last call.
    pub(crate) fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = request.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default().to_owned(),
    );

    let header = |name: &str| {
        let value = |line: &String| {
            Some(
                line.split_once(": ")
                    .filter(|(n, _)| n.eq_ignore_ascii_case(name))?
                    .1
                    .to_owned(),
            )
        };
        headers.iter().find_map(value)
    };

    let range = header("range").and_then(|value| {
        value
            .strip_prefix("bytes=")?
            .split('-')
            .next()?
            .parse()
            .ok()
    });

    let port = stream.local_addr().unwrap().port();
    let mut state = state.lock().unwrap();
    let token =
        header("authorization").and_then(|value| Some(value.strip_prefix("Bearer ")?.to_owned()));

    state.requests.push(HubRequest {
        line: format!("{method} {path}"),
        host: header("host").unwrap_or_default(),
        token,
    });

    let (head, body) = respond(&mut state, method, &path, range, port);
    drop(state);
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(&body);
}

/// Returns head and body of the answer. The body may be shorter than the head claims.
fn respond(
    state: &mut State,
    method: &str,
    path: &str,
    range: Option<u64>,
    port: u16,
) -> (String, Vec<u8>) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (fault, large) = (state.fault, name.ends_with(".safetensors"));

    if fault == Fault::Broken {
        return (head("500 Internal Server Error", 0, ""), Vec::new());
    }

    let Some(bytes) = state
        .files
        .get(name)
        .cloned()
        .filter(|_| fault != Fault::NotFound || !large)
    else {
        return (
            head("404 Not Found", 0, "X-Error-Code: EntryNotFound\r\n"),
            Vec::new(),
        );
    };

    if path.contains("/resolve/main/") {
        assert!(path.starts_with("/adefossez/HTDemucs-6s/"), "{path}");
        return resolve(name, &bytes, fault, large && port != 0, (method, port));
    }

    if method == "HEAD" {
        return (head("200 OK", bytes.len(), "ETag: \"cdn\"\r\n"), Vec::new());
    }

    let from = range.filter(|_| fault != Fault::NoRanges);
    state.asked.push(range.unwrap_or(0));

    if from.is_some_and(|from| from >= bytes.len() as u64) {
        return (head("416 Range Not Satisfiable", 0, ""), Vec::new());
    }

    let rest = &bytes[from.unwrap_or(0) as usize..];
    let status = if from.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };

    let cut = match fault {
        Fault::Cut { after, times } if state.cuts < times => Some(after),
        Fault::NoRanges if state.cuts < 1 => Some(bytes.len() / 2),
        _ => None,
    };

    state.cuts += usize::from(cut.is_some());
    (
        head(status, rest.len(), "ETag: \"cdn\"\r\n"),
        rest[..cut.unwrap_or(rest.len()).min(rest.len())].to_vec(),
    )
}

fn resolve(
    name: &str,
    bytes: &[u8],
    fault: Fault,
    large: bool,
    (method, port): (&str, u16),
) -> (String, Vec<u8>) {
    let commit = format!("X-Repo-Commit: {COMMIT}\r\n");
    if large {
        let content = if fault == Fault::Checksum {
            b"something else".as_slice()
        } else {
            bytes
        };

        let sha256 = hex::encode(Sha256::digest(content));
        let linked = format!(
            "X-Linked-Etag: \"{sha256}\"\r\nX-Linked-Size: {}\r\n",
            bytes.len()
        );

        let location = format!("Location: http://localhost:{port}/files/{name}\r\n");
        return (
            head("302 Found", 0, &format!("{commit}{linked}{location}")),
            Vec::new(),
        );
    }

    let etag = format!("ETag: \"{:040x}\"\r\n", bytes.len());
    let body = if method == "HEAD" {
        Vec::new()
    } else {
        bytes.to_vec()
    };

    (
        head("200 OK", bytes.len(), &format!("{commit}{etag}")),
        body,
    )
}

fn head(status: &str, length: usize, rest: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{rest}")
}
