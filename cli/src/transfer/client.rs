//! An HTTP client whose requests can be given up within a moment.
//!
//! Name lookup, connecting and reading block as long as a host is silent. A separate thread
//! performs them, and the caller checks for cancellation several times a second; see
//! [`super::exchange`].

use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Proxy, Timeout};

use super::exchange::{Exchange, Request};
use super::proxy::Proxies;

/// Longest silence of a host.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP client. Dropping it cuts all of its connections.
pub(crate) struct Client(Routes);

/// Routes to hosts: direct or through a proxy.
#[derive(Clone)]
pub(super) struct Routes {
    proxies: Proxies,
    direct: Agent,
    http: Agent,
    https: Agent,
}

/// The head of a host's answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// Returns a header's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the number of bytes that follow, if the host tells it.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    /// Returns the position of the first byte that follows, if the host tells it: `content-range:
    /// bytes 500-999/1000`.
    pub(crate) fn first_byte(&self) -> Option<u64> {
        let range = self.text("content-range")?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.parse().ok()
    }
}

/// The reason why a host did not answer completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The request is impossible: the address or the token is invalid.
    Nonsense(String),
    /// The host cannot be reached.
    Unreachable(String),
    /// The connection broke.
    Cut(String),
    /// The host sent nothing for [`PATIENCE`].
    Silent,
    /// The caller cancelled the request.
    Cancelled,
}

impl Client {
    /// Prepares requests through the environment's proxies. Sends nothing yet.
    pub(crate) fn new() -> Self {
        Self::with(Proxies::of_environment(), PATIENCE)
    }

    fn with(proxies: Proxies, patience: Duration) -> Self {
        let direct = agent(None, patience);
        let through = |proxy: &Option<Proxy>| match proxy {
            Some(proxy) => agent(Some(proxy.clone()), patience),
            None => direct.clone(),
        };
        let (http, https) = (through(&proxies.http), through(&proxies.https));

        Self(Routes {
            proxies,
            direct,
            http,
            https,
        })
    }

    /// Requests the head of `url`. A redirect on the same host is followed; a redirect to another
    /// host is returned as the answer.
    ///
    /// # Errors
    /// When the host does not answer, or `cancelled` returns true.
    pub(crate) fn head(
        &self,
        url: &str,
        token: Option<&str>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Head, Lost> {
        Ok(Exchange::begin(&self.0, Request::head(url, token)?, cancelled)?.head)
    }

    /// Requests the content of `url` from byte `from` on. Redirects are followed; `token` is sent
    /// to the first host only.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub(crate) fn get(
        &self,
        url: &str,
        token: Option<&str>,
        from: u64,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Exchange, Lost> {
        Exchange::begin(&self.0, Request::get(url, token, from)?, cancelled)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Routes {
            direct,
            http,
            https,
            ..
        } = &self.0;
        [direct, http, https]
            .into_iter()
            .for_each(|agent| agent.clone().shutdown());
    }
}

impl Routes {
    /// Returns the agent for `address`.
    pub(super) fn to(&self, address: &Uri) -> &Agent {
        match address.scheme_str() {
            _ if self.proxies.except(address) => &self.direct,
            Some("https") => &self.https,
            _ => &self.http,
        }
    }
}

fn agent(proxy: Option<Proxy>, patience: Duration) -> Agent {
    // The system's store of certificates, which may include a company's own.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .user_agent(concat!("sextet/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_per_read(Some(patience))
        .timeout_per_write(Some(patience));

    config.build().into()
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        let gone = [
            BrokenPipe,
            ConnectionAborted,
            ConnectionReset,
            UnexpectedEof,
        ];

        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::Unreachable(format!("no connection within {} s", PATIENCE.as_secs()))
            }
            Error::Timeout(_) => Self::Silent,
            Error::Io(error) if gone.contains(&error.kind()) => Self::Cut(error.to_string()),
            Error::Io(error) => Self::Unreachable(error.to_string()),
            Error::BadUri(_) | Error::Http(_) => Self::Nonsense(error.to_string()),
            Error::Protocol(_) => Self::Cut(error.to_string()),
            error => Self::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use sextet_cases::each_case;

    use super::*;

    const NEVER: &dyn Fn() -> bool = &|| false;

    fn client(patience: Duration) -> Client {
        Client::with(Proxies::none(), patience)
    }

    /// Starts a host that answers `text` to every request and then falls silent. The receiver
    /// yields its connections that the client has closed.
    fn silent_after(text: &'static str) -> (String, Receiver<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let (tell, hung_up) = channel();

        let talk = move |mut stream: TcpStream| {
            let _ = stream.write_all(text.as_bytes());
            let mut request = [0; 1024];
            while stream.read(&mut request).is_ok_and(|read| read > 0) {}
            let _ = tell.send(stream);
        };

        thread::spawn(move || listener.incoming().for_each(|stream| talk(stream.unwrap())));
        (url, hung_up)
    }

    /// Returns a function that returns true on its third call.
    fn third_time() -> impl Fn() -> bool {
        let asked = Cell::new(0);
        move || asked.replace(asked.get() + 1) == 2
    }

    #[test]
    fn a_host_that_is_silent_can_be_left_at_any_time() {
        let client = client(PATIENCE);
        let (url, hung_up) = silent_after("");

        assert_eq!(
            client.head(&url, None, &third_time()).unwrap_err(),
            Lost::Cancelled
        );
        assert_eq!(
            client.get(&url, None, 0, &third_time()).err(),
            Some(Lost::Cancelled)
        );

        let (url, hung_up_later) = silent_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour");
        let mut answer = client.get(&url, None, 0, NEVER).unwrap();
        assert_eq!(answer.head.bytes(), Some(9));
        assert_eq!(answer.piece(NEVER).unwrap().unwrap(), b"four");
        assert_eq!(answer.piece(&third_time()).unwrap_err(), Lost::Cancelled);

        drop(client);
        hung_up.recv().unwrap();
        hung_up_later.recv().unwrap();
    }

    #[test]
    fn a_host_that_says_nothing_for_too_long_is_given_up() {
        let client = client(Duration::from_millis(100));
        let (url, _) = silent_after("");
        assert_eq!(client.head(&url, None, NEVER).unwrap_err(), Lost::Silent);
        let (url, _) = silent_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour");
        let mut answer = client.get(&url, None, 0, NEVER).unwrap();
        assert_eq!(answer.piece(NEVER).unwrap().unwrap(), b"four");
        assert_eq!(answer.piece(NEVER).unwrap_err(), Lost::Silent);
    }

    #[test]
    fn a_host_that_is_not_there_is_told_from_one_that_hangs_up() {
        let client = client(PATIENCE);
        assert!(matches!(
            client.head("http://127.0.0.1:1/", None, NEVER),
            Err(Lost::Unreachable(_))
        ));
        assert!(matches!(
            client.head("https://nowhere.invalid/", None, NEVER),
            Err(Lost::Unreachable(_))
        ));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || listener.incoming().for_each(drop));

        let lost = client.head(&url, None, NEVER).unwrap_err();
        assert!(matches!(lost, Lost::Cut(_)), "{lost:?}");
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let client = client(PATIENCE);
        let cases = [
            ("nonsense", None),
            ("http://127.0.0.1:1/", Some("two\nlines")),
        ];
        each_case(cases, |(url, token)| {
            assert!(
                matches!(client.head(url, token, NEVER), Err(Lost::Nonsense(_))),
                "{url}"
            );
        });
    }
}
