//! Asks hosts for files over HTTP, in a way that can be given up within a moment.
//!
//! Looking a name up, connecting and reading block for as long as a host is silent. So a thread of
//! its own does them, and whoever waits for it looks up several times a second; see
//! [`super::exchange`].

use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Proxy, Timeout};

use super::exchange::{Exchange, Request};
use super::proxy::Proxies;

/// How long a host may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to hosts. Dropping it cuts every connection that it has.
pub(crate) struct Client(Routes);

/// Ways to a host.
#[derive(Clone)]
pub(super) struct Routes {
    proxies: Proxies,
    direct: Agent,
    http: Agent,
    https: Agent,
}

/// What a host says before it sends a file.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// A header's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How many bytes follow, where the host says it.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    /// Which byte of the file follows first, where the host says it: `content-range: bytes
    /// 500-999/1000`.
    pub(crate) fn first_byte(&self) -> Option<u64> {
        let range = self.text("content-range")?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.parse().ok()
    }
}

/// Why a host did not answer to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There can be no request like this: the address or the token is none.
    Nonsense(String),
    /// There is no way to it.
    Unreachable(String),
    /// It was there, and then no longer.
    Cut(String),
    /// It said nothing for [`PATIENCE`].
    Silent,
    /// Whoever waited for it does no longer.
    Cancelled,
}

impl Client {
    /// Prepares to talk, by way of the environment's proxies; nothing is sent yet.
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

    /// Asks what there is at `url`. A redirect is followed on the same host; one to another host is
    /// the answer.
    ///
    /// # Errors
    /// When the host does not answer, or `cancelled` says so.
    pub(crate) fn head(
        &self,
        url: &str,
        token: Option<&str>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Head, Lost> {
        Ok(Exchange::begin(&self.0, Request::head(url, token)?, cancelled)?.head)
    }

    /// Asks for what is at `url` from byte `from` on. Redirects are followed; `token` goes to the
    /// first host only.
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
    /// The way to `address`.
    pub(super) fn to(&self, address: &Uri) -> &Agent {
        match address.scheme_str() {
            _ if self.proxies.except(address) => &self.direct,
            Some("https") => &self.https,
            _ => &self.http,
        }
    }
}

fn agent(proxy: Option<Proxy>, patience: Duration) -> Agent {
    // The system's store of certificates, which may have a company's own.
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

    use super::*;

    const NEVER: &dyn Fn() -> bool = &|| false;

    fn client(patience: Duration) -> Client {
        Client::with(Proxies::none(), patience)
    }

    /// A host that says `text` to everybody and then nothing more; and its connections, when
    /// somebody else hung up.
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

    /// Says yes the third time that it is asked.
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
        for (url, token) in [
            ("nonsense", None),
            ("http://127.0.0.1:1/", Some("two\nlines")),
        ] {
            assert!(
                matches!(client.head(url, token, NEVER), Err(Lost::Nonsense(_))),
                "{url}"
            );
        }
    }
}
