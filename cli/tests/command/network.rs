//! Models over the network: their places in the cache that all of the hub's clients share, the
//! hosts that receive a token, proxies, and other processes that fetch the same files.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use sextet_cases::each_case;
use sha2::{Digest as _, Sha256};

use crate::hub::{Fault, Hub};
use crate::sandbox::{Sandbox, stderr, tiny_model_bytes};

const BAG: &str = "models: ['5c90dfd2']\n";
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(tiny_model_bytes);

fn fetch(sandbox: &Sandbox, hub: &Hub) -> Command {
    let mut command = sandbox.sextet(&["model", "fetch", "htdemucs_6s"]);
    command.env("HF_ENDPOINT", hub.endpoint());
    command
}

fn checksum() -> String {
    hex::encode(Sha256::digest(&*CHECKPOINT))
}

/// The files as huggingface_hub writes them: see `_create_symlink` and `_get_pointer_path` in its
/// `file_download.py`.
#[test]
fn the_cache_is_laid_out_as_the_hubs_other_clients_lay_it_out() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    fetch(&sandbox, &hub).assert().success();
    let (commit, sum) = ("0123456789012345678901234567890123456789", checksum());
    let bag = format!("{:040x}", BAG.len());

    let expected = [
        format!(".locks/models--adefossez--HTDemucs-6s/{bag}.lock"),
        format!(".locks/models--adefossez--HTDemucs-6s/{sum}.lock"),
        format!("models--adefossez--HTDemucs-6s/blobs/{bag}"),
        format!("models--adefossez--HTDemucs-6s/blobs/{sum}"),
        "models--adefossez--HTDemucs-6s/refs/main".to_owned(),
        format!("models--adefossez--HTDemucs-6s/snapshots/{commit}/5c90dfd2.safetensors"),
        format!("models--adefossez--HTDemucs-6s/snapshots/{commit}/htdemucs_6s.yaml"),
    ];

    assert_eq!(
        sandbox
            .files(".hf/hub")
            .iter()
            .collect::<std::collections::BTreeSet<_>>(),
        expected.iter().collect()
    );

    let repository = sandbox.path(".hf/hub/models--adefossez--HTDemucs-6s");
    assert_eq!(
        fs::read_to_string(repository.join("refs/main")).unwrap(),
        commit
    );

    let snapshot = repository.join("snapshots").join(commit);
    let cases = [("htdemucs_6s.yaml", bag), ("5c90dfd2.safetensors", sum)];
    each_case(cases, |(file, blob)| {
        let target = fs::read_link(snapshot.join(file)).ok();
        let relative = Path::new("../../blobs").join(blob);
        assert!(
            target.is_none_or(|target| target == relative) || cfg!(windows),
            "{file}"
        );
    });
}

#[test]
fn what_another_client_fetched_is_taken_as_it_is() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let repository = sandbox.path(".hf/hub/models--adefossez--HTDemucs-6s");

    // A disk without symbolic links has the file itself in the snapshot.
    let file = "snapshots/0123456789012345678901234567890123456789/5c90dfd2.safetensors";
    fs::create_dir_all(repository.join(file).parent().unwrap()).unwrap();
    fs::write(repository.join(file), &*CHECKPOINT).unwrap();
    fetch(&sandbox, &hub).assert().success();

    assert!(hub.asked().is_empty());

    // A damaged file is fetched again.
    fs::write(repository.join(file), b"damaged").unwrap();
    fetch(&sandbox, &hub).assert().success();

    assert_eq!(hub.asked(), [0]);
    assert_eq!(fs::read(repository.join(file)).unwrap(), *CHECKPOINT);

    // A download that another client left incomplete is resumed.
    sandbox
        .sextet(&["model", "remove", "htdemucs_6s"])
        .assert()
        .success();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::write(
        repository
            .join("blobs")
            .join(format!("{}.incomplete", checksum())),
        &CHECKPOINT[..70_000],
    )
    .unwrap();

    fetch(&sandbox, &hub).assert().success();
    assert_eq!(hub.asked(), [70_000]);
}

#[test]
fn the_cache_is_where_the_environment_says() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let cases = [
        ("HF_HUB_CACHE", "a", "a"),
        ("HUGGINGFACE_HUB_CACHE", "b", "b"),
        ("XDG_CACHE_HOME", "c", "c/huggingface/hub"),
    ];
    each_case(cases, |(variable, value, place)| {
        let mut command = fetch(&sandbox, &hub);
        if variable == "XDG_CACHE_HOME" {
            command.env_remove("HF_HOME");
        }
        command
            .env(variable, sandbox.path(value))
            .assert()
            .success();
        let bag = sandbox
            .path(place)
            .join("models--adefossez--HTDemucs-6s/refs/main");
        assert!(bag.is_file(), "{}", bag.display());
    });

    assert!(sandbox.files(".hf").is_empty());
}

#[test]
fn a_token_goes_to_the_hub_and_to_nobody_else() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    sandbox.file("elsewhere", b"of a file\n");
    sandbox.file(".hf/token", b"left by a login\n");

    #[allow(clippy::type_complexity, reason = "a table")]
    let cases: [(&[(&str, &str)], Option<&str>); 4] = [
        (
            &[("HF_TOKEN", "given"), ("HF_TOKEN_PATH", "elsewhere")],
            Some("given"),
        ),
        (&[("HF_TOKEN_PATH", "elsewhere")], Some("of a file")),
        (&[], Some("left by a login")),
        (
            &[
                ("HF_TOKEN", "given"),
                ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
            ],
            None,
        ),
    ];

    each_case(cases, |(variables, token)| {
        hub.requests();

        // The connection is cut once, so that the other host is asked twice.
        hub.fail(Fault::Cut {
            after: 100_000,
            times: 1,
        });
        fetch(&sandbox, &hub)
            .envs(variables.iter().copied())
            .assert()
            .success();
        let (of_hub, of_others): (Vec<_>, Vec<_>) = hub
            .requests()
            .into_iter()
            .partition(|request| request.line.contains("/resolve/"));

        assert_eq!(
            (of_hub.len(), of_others.len()),
            (5, 2),
            "{of_hub:?} {of_others:?}"
        );

        assert!(
            of_hub
                .iter()
                .all(|request| request.token.as_deref() == token),
            "{of_hub:?}"
        );

        assert!(
            of_others.iter().all(|request| request.token.is_none()),
            "{of_others:?}"
        );
        assert!(
            of_others
                .iter()
                .all(|request| request.host.starts_with("localhost:")),
            "{of_others:?}"
        );

        sandbox
            .sextet(&["model", "remove", "htdemucs_6s"])
            .assert()
            .success();
    });

    let said = stderr(fetch(&sandbox, &hub).env("HF_TOKEN", "two\nlines"), 5);
    assert!(
        said.contains("error: cannot talk to the model hub") && said.contains("HF_TOKEN"),
        "{said}"
    );
}

/// Starts a proxy on this machine that connects every request to `hub`, whatever host it names.
/// Returns its address and the hosts that were asked for.
fn proxy(hub: &Hub) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, hub) = (asked.clone(), hub.endpoint().replace("http://", ""));

    thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, hub) = (seen.clone(), hub.clone());
            thread::spawn(move || tunnel(stream.unwrap(), &seen, &hub));
        }
    });

    (address, asked)
}

fn tunnel(mut client: TcpStream, seen: &Mutex<Vec<String>>, hub: &str) {
    let mut lines = BufReader::new(client.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let request = lines.next().unwrap();
    lines.find(|line| line.is_empty());
    seen.lock().unwrap().push(request);
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .unwrap();

    let mut host = TcpStream::connect(hub).unwrap();
    let (mut from_client, mut to_host) = (client.try_clone().unwrap(), host.try_clone().unwrap());
    thread::spawn(move || io::copy(&mut from_client, &mut to_host));
    let _ = io::copy(&mut host, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

#[test]
fn hosts_are_asked_by_way_of_a_proxy_but_for_the_exceptions() {
    let hub = Hub::new(BAG, &CHECKPOINT);
    let (proxy, asked) = proxy(&hub);
    let cases = [
        ("HTTP_PROXY", "", true),
        ("http_proxy", "example.org", true),
        ("ALL_PROXY", "", true),
        ("HTTP_PROXY", "localhost, example.org", false),
        ("HTTPS_PROXY", "*", false),
    ];

    each_case(cases, |(variable, exceptions, everybody)| {
        let sandbox = Sandbox::new();
        let mut command = fetch(&sandbox, &hub);

        // A name that only the proxy knows.
        let endpoint = if exceptions == "*" {
            hub.endpoint()
        } else {
            "http://hub.invalid".to_owned()
        };

        command
            .env("HF_ENDPOINT", endpoint)
            .env(variable, &proxy)
            .env("NO_PROXY", exceptions)
            .assert()
            .success();

        let seen = std::mem::take(&mut *asked.lock().unwrap());
        let through = |host: &str| {
            seen.iter()
                .any(|line| line.starts_with(&format!("CONNECT {host}:")))
        };

        assert_eq!(
            through("hub.invalid"),
            exceptions != "*",
            "{variable}: {seen:?}"
        );

        assert_eq!(through("localhost"), everybody, "{variable}: {seen:?}");
    });

    let sandbox = Sandbox::new();
    let said = stderr(
        fetch(&sandbox, &hub).env("HTTP_PROXY", "http://127.0.0.1:1"),
        5,
    );

    assert!(said.contains("error: cannot reach the model hub"), "{said}");
}

#[test]
fn what_another_process_fetches_is_waited_for() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let lock = sandbox.file(
        &format!(
            ".hf/hub/.locks/models--adefossez--HTDemucs-6s/{}.lock",
            checksum()
        ),
        b"",
    );

    let lock = File::open(lock).unwrap();
    lock.lock().unwrap();

    let command = fetch(&sandbox, &hub);
    let mut process = Process::new(command.get_program());
    process
        .args(command.get_args())
        .current_dir(sandbox.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null());

    for (name, value) in command.get_envs() {
        match value {
            Some(value) => process.env(name, value),
            None => process.env_remove(name),
        };
    }

    let mut child = process.spawn().unwrap();
    let has_bag = || {
        sandbox
            .files(".hf/hub")
            .iter()
            .any(|file| file.ends_with("htdemucs_6s.yaml"))
    };

    while !has_bag() {
        thread::sleep(Duration::from_millis(10));
    }

    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    assert!(
        hub.asked().is_empty(),
        "nothing is fetched before the other process is done"
    );

    lock.unlock().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(hub.asked(), [0]);
}
