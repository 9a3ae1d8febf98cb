//! Asks hosts for files over HTTP, in a way that can be given up within a moment.
//!
//! Looking a name up, connecting and reading block for as long as a host is silent. So a thread of its own does them, and
//! whoever waits for it looks up several times a second; see [`super::exchange`].

use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Timeout};

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
    /// Prepares to talk; nothing is sent yet.
    pub(crate) fn new() -> Self {
        let proxies = Proxies::of_environment();
        let direct = agent(None);
        let through = |proxy: &Option<_>| proxy.clone().map_or_else(|| direct.clone(), |proxy| agent(Some(proxy)));
        let (http, https) = (through(&proxies.http), through(&proxies.https));
        Self(Routes { proxies, direct, http, https })
    }

    /// Asks what there is at `url`. A redirect is followed on the same host; one to another host is the answer.
    ///
    /// # Errors
    /// When the host does not answer, or `cancelled` says so.
    pub(crate) fn head(&self, url: &str, token: Option<&str>, cancelled: &dyn Fn() -> bool) -> Result<Head, Lost> {
        Ok(Exchange::begin(&self.0, Request::head(url, token)?, cancelled)?.head)
    }

    /// Asks for what is at `url` from byte `from` on. Redirects are followed; `token` goes to the first host only.
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
        let Routes { direct, http, https, .. } = &self.0;
        [direct, http, https].into_iter().for_each(|agent| agent.clone().shutdown());
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

fn agent(proxy: Option<ureq::Proxy>) -> Agent {
    // The system's store of certificates, which may have a company's own.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).unversioned_rustls_crypto_provider(provider);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .user_agent(concat!("sextet/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .timeout_per_write(Some(PATIENCE));
    config.build().into()
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        let gone = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
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
