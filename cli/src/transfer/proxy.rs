//! Proxies by curl's rules: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or
//! lower case.

use std::env;
use std::net::IpAddr;

use ureq::Proxy;
use ureq::http::Uri;

/// The proxies that the environment names, and the hosts that bypass them.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    /// Proxy for addresses that begin with `http:`.
    pub(super) http: Option<Proxy>,
    /// Proxy for addresses that begin with `https:`.
    pub(super) https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// Hosts that are reached directly.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everybody,
    /// This domain and all below it.
    Domain(String),
    /// Addresses whose leading bits, as many as given, equal those of this one.
    Network(IpAddr, u32),
}

impl Proxies {
    /// Reads the environment. On Windows the system's setting applies if the environment names no
    /// proxy.
    pub(super) fn of_environment() -> Self {
        let all = proxy("ALL_PROXY");
        let found = Self {
            http: proxy("HTTP_PROXY").or_else(|| all.clone()),
            https: proxy("HTTPS_PROXY").or(all),
            exceptions: exceptions(&variable("NO_PROXY").unwrap_or_default()),
        };

        match Proxy::try_from_env()
            .filter(|_| cfg!(windows) && found.http.is_none() && found.https.is_none())
        {
            Some(systems) => Self {
                http: Some(systems.clone()),
                https: Some(systems),
                ..found
            },
            None => found,
        }
    }

    /// Returns no proxies, whatever the environment says.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            http: None,
            https: None,
            exceptions: Vec::new(),
        }
    }

    /// Whether `address` is reached directly in spite of any proxies.
    pub(super) fn except(&self, address: &Uri) -> bool {
        let host = address
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase();
        self.exceptions
            .iter()
            .any(|exception| exception.covers(&host))
    }
}

impl Exception {
    fn of(text: &str) -> Option<Self> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| {
                bits.parse().ok().filter(|bits| *bits <= all)
            })?;
            return Some(Self::Network(address, bits));
        }

        match text.trim_start_matches('.') {
            "" => None,
            "*" => Some(Self::Everybody),
            domain => Some(Self::Domain(domain.to_ascii_lowercase())),
        }
    }

    fn covers(&self, host: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Domain(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|p| p.is_empty() || p.ends_with('.')),
            Self::Network(network, bits) => host
                .parse()
                .is_ok_and(|address| same_bits(*network, address, *bits)),
        }
    }
}

/// Whether two addresses of one kind begin with the same `bits` bits.
fn same_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits())
                .checked_shr(32 - bits)
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits())
                .checked_shr(128 - bits)
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}

fn exceptions(text: &str) -> Vec<Exception> {
    text.split(',')
        .filter_map(|part| Exception::of(part.trim()))
        .collect()
}

/// Returns the proxy that the variable `name` holds; an invalid one counts as none.
fn proxy(name: &str) -> Option<Proxy> {
    Proxy::new(&variable(name)?).ok()
}

/// Returns the variable `name`, in upper case or, if that is not set, in lower case. An empty one
/// counts as not set.
fn variable(name: &str) -> Option<String> {
    let value = env::var(name)
        .or_else(|_| env::var(name.to_ascii_lowercase()))
        .ok()?;
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn exceptions_are_those_of_curl() {
        let cases = [
            ("*", "http://anybody", true),
            ("", "http://anybody", false),
            ("example.com", "https://example.com/x", true),
            ("example.com", "https://sub.Example.com:8080/x", true),
            (".example.com", "https://example.com", true),
            ("example.com", "https://notexample.com", false),
            ("other.org, example.com", "https://a.b.example.com", true),
            ("example.com", "https://example.com.org", false),
            ("127.0.0.1", "http://127.0.0.1:8080", true),
            ("127.0.0.1", "http://127.0.0.2", false),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("0.0.0.0/0", "http://11.1.2.3", true),
            ("0.0.0.0/0", "http://name", false),
            ("10.0.0.0/33", "http://10.0.0.0", false),
            ("::1", "http://[::1]:80", true),
            ("fd00::/8", "http://[fd12::7]", true),
            ("fd00::/8", "http://[fe80::7]", false),
            ("::/0", "http://[fe80::7]", true),
        ];
        each_case(cases, |(text, address, direct)| {
            let proxies = Proxies {
                exceptions: exceptions(text),
                ..Proxies::none()
            };
            assert_eq!(
                proxies.except(&address.parse().unwrap()),
                direct,
                "{text} {address}"
            );
        });
    }
}
