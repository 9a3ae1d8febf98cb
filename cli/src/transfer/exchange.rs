//! One request to a host and its answer, on a thread of its own.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ureq::http::{Method, Request as HttpRequest, Uri};
use ureq::{Body, Error};

use super::answer::{Head, Lost};
use super::routes::Routes;

/// Pause between two checks for cancellation.
pub(super) const GLANCE: Duration = Duration::from_millis(100);
/// Most redirects that are followed.
const REDIRECTS: usize = 10;
/// Size of the pieces of the body in bytes, and how many of them may wait.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES: usize = 16;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    url: Uri,
    /// Sent to the address's own host and to no other.
    token: Option<String>,
    /// First byte that is wanted.
    from: u64,
    /// Whether a redirect to another host is followed.
    leaves_host: bool,
}

impl Request {
    /// Returns a request for the head of `url`.
    pub(super) fn head(url: &str, token: Option<&str>) -> Result<Self, Lost> {
        let (url, token) = (address(url)?, token.map(str::to_owned));
        Ok(Self {
            method: Method::HEAD,
            url,
            token,
            from: 0,
            leaves_host: false,
        })
    }

    /// Returns a request for the content of `url` from byte `from` on.
    pub(super) fn get(url: &str, token: Option<&str>, from: u64) -> Result<Self, Lost> {
        Ok(Self {
            method: Method::GET,
            from,
            leaves_host: true,
            ..Self::head(url, token)?
        })
    }
}

/// An answer whose head has arrived and whose body is on its way.
pub(crate) struct Exchange {
    pub(crate) head: Head,
    news: Receiver<Result<News, Lost>>,
}

/// A message of the thread.
enum News {
    Head(Head),
    Piece(Vec<u8>),
    End,
}

impl Exchange {
    /// Sends the request and waits for the head of the answer.
    pub(super) fn begin(
        routes: &Routes,
        request: Request,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, Lost> {
        let (tell, news) = sync_channel(PIECES);
        let routes = routes.clone();
        let converse = move || {
            let end = ask(&routes, request).and_then(|answer| hand_on(answer, &tell));
            let _ = tell.send(end.map(|()| News::End));
        };

        let thread = thread::Builder::new()
            .name("network".to_owned())
            .spawn(converse);
        thread.map_err(|error| Lost::Unreachable(error.to_string()))?;

        match wait(&news, cancelled)? {
            News::Head(head) => Ok(Self { head, news }),
            News::Piece(_) | News::End => Err(ended_early()),
        }
    }

    /// Returns the next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// When the body breaks off, or `cancelled` returns true.
    pub(crate) fn piece(&mut self, cancelled: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>, Lost> {
        match wait(&self.news, cancelled)? {
            News::Piece(bytes) => Ok(Some(bytes)),
            News::Head(_) | News::End => Ok(None),
        }
    }
}

/// Waits for the next message of the thread.
fn wait(news: &Receiver<Result<News, Lost>>, cancelled: &dyn Fn() -> bool) -> Result<News, Lost> {
    loop {
        if cancelled() {
            return Err(Lost::Cancelled);
        }
        match news.recv_timeout(GLANCE) {
            Ok(news) => return news,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(ended_early()),
        }
    }
}

fn ended_early() -> Lost {
    Lost::Cut("it ended early".to_owned())
}

/// Sends the request and follows redirects.
fn ask(routes: &Routes, mut request: Request) -> Result<(Head, Body), Lost> {
    for _ in 0..=REDIRECTS {
        let answer = routes.to(&request.url).run(http(&request)?)?;
        let (parts, body) = answer.into_parts();
        let head = Head {
            status: parts.status.as_u16(),
            headers: parts.headers,
        };

        let next = head
            .text("location")
            .filter(|_| matches!(head.status, 301 | 302 | 303 | 307 | 308));
        let Some(next) = next.and_then(|location| join(&request.url, location)) else {
            return Ok((head, body));
        };

        // A redirect to another host is the answer, unless the request may follow it.
        if next.host() != request.url.host() && !request.leaves_host {
            return Ok((head, body));
        }

        // The token is for the first origin only.
        if origin(&next) != origin(&request.url) {
            request.token = None;
        }

        request.url = next;
    }
    Err(Lost::Unreachable(format!(
        "it sent us on more than {REDIRECTS} times"
    )))
}

fn http(request: &Request) -> Result<HttpRequest<()>, Lost> {
    let mut http = HttpRequest::builder()
        .method(request.method.clone())
        .uri(request.url.clone());
    if let Some(token) = &request.token {
        http = http.header("authorization", format!("Bearer {token}"));
    }

    if request.from > 0 {
        http = http.header("range", format!("bytes={}-", request.from));
    }

    http.body(())
        .map_err(|error| Lost::from(Error::from(error)))
}

/// Passes the answer on, piece by piece, until the receiver is gone.
fn hand_on((head, body): (Head, Body), tell: &SyncSender<Result<News, Lost>>) -> Result<(), Lost> {
    if tell.send(Ok(News::Head(head))).is_err() {
        return Ok(());
    }

    let mut body = body.into_reader();
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = body
            .read(&mut piece)
            .map_err(|error| broken(Error::from(error)))?;
        piece.truncate(read);
        if read == 0 || tell.send(Ok(News::Piece(piece))).is_err() {
            return Ok(());
        }
    }
}

/// Converts an error in the body. The host was reached already, so an unreachable host is a cut
/// connection.
fn broken(error: Error) -> Lost {
    match Lost::from(error) {
        Lost::Unreachable(why) => Lost::Cut(why),
        lost => lost,
    }
}

/// Parses an address, which must have a host and be one of HTTP's.
fn address(url: &str) -> Result<Uri, Lost> {
    let address: Uri = url
        .parse()
        .map_err(|error| Lost::Nonsense(format!("'{url}' is no address: {error}")))?;
    match address.scheme_str() {
        Some("http" | "https") if address.host().is_some() => Ok(address),
        _ => Err(Lost::Nonsense(format!(
            "'{url}' is no address of a host: expected https://..."
        ))),
    }
}

/// Returns scheme, host and port, which a token is valid for.
fn origin(address: &Uri) -> (Option<&str>, Option<&str>, Option<u16>) {
    let usual = if address.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    (
        address.scheme_str(),
        address.host(),
        address.port_u16().or(Some(usual)),
    )
}

/// Resolves `location` against `base`; `None` if it is no valid address.
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let whole = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        let root = format!("{scheme}://{}", base.authority()?);
        let (folder, _) = base.path().rsplit_once('/')?;
        if location.starts_with('/') {
            format!("{root}{location}")
        } else {
            format!("{root}{folder}/{location}")
        }
    };

    // The fragment behind `#` is not sent to the host.
    address(whole.split('#').next()?).ok()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn redirects_lead_on_from_where_they_were_found() {
        let base = address("https://hub:8443/a/b?c=d").unwrap();
        let cases = [
            ("http://other/x?y", "http://other/x?y"),
            ("//other/x", "https://other/x"),
            ("/x/y", "https://hub:8443/x/y"),
            ("x", "https://hub:8443/a/x"),
            ("/x#part", "https://hub:8443/x"),
        ];

        each_case(cases, |(location, expected)| {
            assert_eq!(join(&base, location).unwrap(), expected, "{location}");
        });

        assert_eq!(join(&base, "https://"), None);
    }

    #[test]
    fn a_token_is_for_one_origin() {
        let of = |url: &str| address(url).unwrap();
        assert_eq!(
            origin(&of("https://hub/a")),
            origin(&of("https://hub:443/b"))
        );
        let cases = ["http://hub/a", "https://hub:8443/a", "https://cdn.hub/a"];
        each_case(cases, |other| {
            assert_ne!(origin(&of("https://hub/a")), origin(&of(other)), "{other}");
        });
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let cases = [
            "",
            "nonsense",
            "ftp://host/x",
            "https://",
            "host:80",
            "/path",
            "http://a b/",
        ];
        each_case(cases, |wrong| {
            assert!(matches!(address(wrong), Err(Lost::Nonsense(_))), "{wrong}");
        });
    }
}
