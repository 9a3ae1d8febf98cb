//! The hub's cache on this machine: its folder, the models in it, and how files are placed in it.
//!
//! The layout is the hub's own (huggingface_hub's `file_download.py`), so demucs and Sextet share
//! what either has fetched: `<cache>/models--<owner>--<repository>/{refs/main, blobs/<etag>,
//! snapshots/<commit>/<file> -> blob}`. Without symbolic links, the file itself is in the snapshot.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::catalogue::{Entry, Hub};
use super::facts::{Facts, REVISION};
use crate::fault::{Fault, Kind};

/// Returns the folder of the hub's cache: `HF_HUB_CACHE`, else `hub` in the hub's folder. An empty
/// variable counts as not set.
pub(crate) fn cache_folder() -> PathBuf {
    cache_folder_of(&|name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    })
}

/// A function that reads an environment variable.
type Variable<'a> = &'a dyn Fn(&str) -> Option<PathBuf>;

fn cache_folder_of(variable: Variable) -> PathBuf {
    let named = variable("HF_HUB_CACHE").or_else(|| variable("HUGGINGFACE_HUB_CACHE"));
    named.unwrap_or_else(|| hub_folder_of(variable).join("hub"))
}

/// Returns the folder of all the hub's clients: `HF_HOME`, else a folder in the user's caches.
fn hub_folder_of(variable: Variable) -> PathBuf {
    let caches = || {
        variable("XDG_CACHE_HOME")
            .unwrap_or_else(|| dirs::home_dir().unwrap_or_default().join(".cache"))
    };
    variable("HF_HOME").unwrap_or_else(|| caches().join("huggingface"))
}

/// Returns the token for the hub: `HF_TOKEN`, the content of the file that `HF_TOKEN_PATH` names,
/// or the one that a login has stored. `None` when `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set.
pub(super) fn token() -> Option<String> {
    token_of(&|name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    })
}

fn token_of(variable: Variable) -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return None;
    }
    let plain = |text: &str| Some(text.trim().to_owned()).filter(|token| !token.is_empty());
    let file = |path: PathBuf| plain(&fs::read_to_string(path).ok()?);

    let given = variable("HF_TOKEN").and_then(|token| plain(token.to_str()?));
    given
        .or_else(|| file(variable("HF_TOKEN_PATH")?))
        .or_else(|| file(hub_folder_of(variable).join("token")))
}

/// Returns the folder of one repository in the cache.
pub(super) fn repository_folder(hub: &Hub) -> PathBuf {
    cache_folder().join(format!("models--{}--{}", hub.owner, hub.repository))
}

/// Returns the folder in which the hub's clients keep the lock files of one repository.
pub(super) fn lock_folder(hub: &Hub) -> PathBuf {
    cache_folder()
        .join(".locks")
        .join(format!("models--{}--{}", hub.owner, hub.repository))
}

/// Returns the cached files of a model, in the order of [`Hub::files`]; `None` for a missing one.
pub(crate) fn files(hub: &Hub) -> Vec<Option<PathBuf>> {
    let folder = repository_folder(hub);
    let commit = fs::read_to_string(folder.join("refs").join(REVISION)).unwrap_or_default();
    let commit = commit.trim();
    let snapshot = folder.join("snapshots").join(commit);
    let here = |file: String| {
        Some(snapshot.join(file)).filter(|path| !commit.is_empty() && path.is_file())
    };
    hub.files().into_iter().map(here).collect()
}

/// Returns the bag's description and the checkpoints of `entry`, if all are in the cache.
pub(crate) fn found(entry: &Entry) -> Option<Vec<PathBuf>> {
    files(entry.hub.as_ref()?).into_iter().collect()
}

/// The paths of one file in the cache.
pub(super) struct Place {
    repository: PathBuf,
    /// Path of its content.
    pub(super) blob: PathBuf,
    /// Path of its name.
    pub(super) named: PathBuf,
    commit: String,
}

impl Place {
    /// Returns the paths of `file` in `hub`; `facts` are the hub's answer about it.
    pub(super) fn of(hub: &Hub, file: &str, facts: &Facts) -> Self {
        let repository = repository_folder(hub);
        Self {
            blob: repository.join("blobs").join(&facts.etag),
            named: repository.join("snapshots").join(&facts.commit).join(file),
            commit: facts.commit.clone(),
            repository,
        }
    }

    /// Gives the blob its name and records its commit as the branch's current one.
    ///
    /// # Errors
    /// The path that cannot be written, and the reason.
    pub(super) fn settle(&self) -> Result<(), (PathBuf, io::Error)> {
        if self.blob.is_file() {
            name(&self.blob, &self.named, link).map_err(|error| (self.named.clone(), error))?;
        }
        let reference = self.repository.join("refs").join(REVISION);
        if fs::read_to_string(&reference).is_ok_and(|commit| commit == self.commit) {
            return Ok(());
        }
        let written = make_folder_of(&reference).and_then(|()| fs::write(&reference, &self.commit));
        written.map_err(|error| (reference, error))
    }
}

/// Makes `named` lead to `blob`: through `link`, or by moving the blob there if that fails.
fn name(
    blob: &Path,
    named: &Path,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let file = blob.file_name().ok_or(io::ErrorKind::InvalidInput)?;

    // Relative to `snapshots/<commit>/`, so that the cache can be moved.
    let relative = Path::new("..").join("..").join("blobs").join(file);
    if fs::read_link(named).is_ok_and(|target| target == relative) {
        return Ok(());
    }

    make_folder_of(named)?;
    match fs::remove_file(named) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }

    // A link that leads nowhere is none: Wine makes nothing and says that it did, and Windows can
    // be told to follow none.
    if link(&relative, named).is_ok() && named.is_file() {
        return Ok(());
    }
    let _ = fs::remove_file(named);
    fs::rename(blob, named)
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn link(target: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, link);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_file(target, link);
    #[cfg(not(any(unix, windows)))]
    return Err(io::ErrorKind::Unsupported.into());
}

/// The fault of a `path` in the cache that cannot be written.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(
        Kind::Output,
        format!("cannot write '{}': {error}", path.display()),
    )
    .remedy("make room or choose another cache folder with HF_HOME")
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Looks up the variables of `set`; all others are unset.
    fn variables<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<PathBuf> + 'a {
        |name| {
            set.iter()
                .find(|(set, _)| *set == name)
                .map(|(_, value)| PathBuf::from(value))
        }
    }

    #[test]
    fn the_cache_is_where_the_hubs_clients_look() {
        let home = dirs::home_dir().unwrap().join(".cache/huggingface/hub");
        let xdg = ("XDG_CACHE_HOME", "/x");

        let hub = ("HF_HOME", "/h");
        let cases: [(&[_], &Path); 5] = [
            (&[], &home),
            (&[xdg], Path::new("/x/huggingface/hub")),
            (&[xdg, hub], Path::new("/h/hub")),
            (
                &[xdg, hub, ("HUGGINGFACE_HUB_CACHE", "/old")],
                Path::new("/old"),
            ),
            (
                &[
                    hub,
                    ("HUGGINGFACE_HUB_CACHE", "/old"),
                    ("HF_HUB_CACHE", "/c"),
                ],
                Path::new("/c"),
            ),
        ];

        each_case(cases, |(set, expected)| {
            assert_eq!(cache_folder_of(&variables(set)), expected, "{set:?}");
        });
    }

    #[test]
    fn a_token_is_looked_for_in_one_order() {
        let here = tempfile::tempdir().unwrap();
        let (home, path) = (
            here.path().display().to_string(),
            here.path().join("other").display().to_string(),
        );
        let home = ("HF_HOME", home.as_str());

        let found = |set: &[(&str, &str)]| token_of(&variables(set));
        assert_eq!(found(&[home]), None);

        fs::write(here.path().join("token"), " left by a login\n").unwrap();
        fs::write(here.path().join("other"), "of a file\n").unwrap();

        assert_eq!(found(&[home]).unwrap(), "left by a login");
        assert_eq!(
            found(&[home, ("HF_TOKEN_PATH", &path)]).unwrap(),
            "of a file"
        );
        assert_eq!(
            found(&[home, ("HF_TOKEN_PATH", "/nowhere")]).unwrap(),
            "left by a login"
        );

        assert_eq!(
            found(&[home, ("HF_TOKEN_PATH", &path), ("HF_TOKEN", "given")]).unwrap(),
            "given"
        );
        assert_eq!(
            found(&[
                home,
                ("HF_TOKEN", "given"),
                ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
            ]),
            None
        );
    }

    #[test]
    fn a_file_gets_its_name_with_links_or_without() {
        let refused = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        each_case([true, false], |links| {
            let here = tempfile::tempdir().unwrap();
            let (blob, named) = (
                here.path().join("blobs/abc"),
                here.path().join("snapshots/c0ffee/a.yaml"),
            );
            make_folder_of(&blob).unwrap();
            make_folder_of(&named).unwrap();
            fs::write(&named, "older").unwrap();

            fs::write(&blob, "text").unwrap();

            // On the second round the file is in its place already.
            for _ in 0..2 {
                if links {
                    name(&blob, &named, link).unwrap()
                } else if blob.is_file() {
                    name(&blob, &named, refused).unwrap()
                }
                assert_eq!(fs::read_to_string(&named).unwrap(), "text");
                assert_eq!(blob.is_file(), links);
            }
        });
    }
}
