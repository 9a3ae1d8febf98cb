//! Routes to hosts: direct or through a proxy.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use super::proxy::Proxies;

/// Routes to hosts: direct or through a proxy.
#[derive(Clone)]
pub(super) struct Routes {
    proxies: Proxies,
    direct: Agent,
    http: Agent,
    https: Agent,
}

impl Routes {
    /// Prepares the routes. A host that is silent for `patience` is given up.
    pub(super) fn new(proxies: Proxies, patience: Duration) -> Self {
        let direct = agent(None, patience);
        let through = |proxy: &Option<Proxy>| match proxy {
            Some(proxy) => agent(Some(proxy.clone()), patience),
            None => direct.clone(),
        };
        let (http, https) = (through(&proxies.http), through(&proxies.https));

        Self {
            proxies,
            direct,
            http,
            https,
        }
    }

    /// Cuts all connections.
    pub(super) fn cut(&self) {
        [&self.direct, &self.http, &self.https]
            .into_iter()
            .for_each(|agent| agent.clone().shutdown());
    }

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
