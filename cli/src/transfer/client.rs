//! An HTTP client whose requests can be given up within a moment.
//!
//! Name lookup, connecting and reading block as long as a host is silent. A separate thread
//! performs them, and the caller checks for cancellation several times a second; see
//! [`super::exchange`].

use std::time::Duration;

use super::answer::{Head, Lost, PATIENCE};
use super::exchange::{Exchange, Request};
use super::proxy::Proxies;
use super::routes::Routes;

/// An HTTP client. Dropping it cuts all of its connections.
pub(crate) struct Client(Routes);

impl Client {
    /// Prepares requests through the environment's proxies. Sends nothing yet.
    pub(crate) fn new() -> Self {
        Self::with(Proxies::of_environment(), PATIENCE)
    }

    fn with(proxies: Proxies, patience: Duration) -> Self {
        Self(Routes::new(proxies, patience))
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
        self.0.cut();
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
