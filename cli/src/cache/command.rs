//! `sextet cache`: lists the stem cache, empties it and limits its size.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::Serialize;
use sextet_protocol::Folders;

use super::evict::CachedEntry;
use super::{Limit, StemCache};
use crate::args::CacheCommand;
use crate::fault::{Fault, Kind};
use crate::stdio;
use crate::time::clock;
use crate::unfinished::Unfinished;

/// Runs one of the `cache` commands.
///
/// # Errors
/// When the cache cannot be read or written to.
pub(crate) fn run(command: CacheCommand, unfinished: &Unfinished) -> Result<()> {
    let folders = Folders::of_user().context(Fault::new(Kind::Output, "there is no stem cache"))?;
    let cache = StemCache::new(folders, unfinished);
    match command {
        CacheCommand::List { json } => list(&cache, json),
        CacheCommand::Clear { keys } => clear(&cache, &keys),
        CacheCommand::Path => path(&cache),
        CacheCommand::Limit { limit } => set_limit(&cache, limit),
    }
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    path: String,
    limit_bytes: u64,
    bytes: u64,
    entries: Vec<ListedEntry<'a>>,
}

#[derive(Serialize)]
struct ListedEntry<'a> {
    key: String,
    bytes: u64,
    /// Seconds since 1970.
    used_s: u64,
    song: Option<&'a str>,
    model: Option<&'a str>,
    engine: Option<&'a str>,
    rate_hz: Option<u32>,
    frames: Option<u64>,
}

impl<'a> ListedEntry<'a> {
    fn of(kept: &'a CachedEntry) -> Self {
        let manifest = kept.manifest.as_ref();
        Self {
            key: kept.key.to_string(),
            bytes: kept.bytes,
            used_s: kept
                .used
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            song: manifest.map(|manifest| manifest.song.as_str()),
            model: manifest.map(|manifest| manifest.model.as_str()),
            engine: manifest.map(|manifest| manifest.engine.as_str()),
            rate_hz: manifest.map(|manifest| manifest.rate_hz),
            frames: manifest.map(|manifest| manifest.frames),
        }
    }
}

fn list(cache: &StemCache, json: bool) -> Result<()> {
    let mut kept = cache.kept()?;
    kept.reverse();
    let (limit, path) = (cache.limit()?, cache.folders.stems().display().to_string());

    let bytes = kept.iter().map(|kept| kept.bytes).sum();
    if json {
        let entries = kept.iter().map(ListedEntry::of).collect();
        let listing = Listing {
            version: 1,
            path,
            limit_bytes: limit.0,
            bytes,
            entries,
        };

        stdio::out(&serde_json::to_string(&listing)?);
        return Ok(());
    }

    kept.iter().for_each(|kept| stdio::out(&line(kept)));
    stdio::out(&format!(
        "{} of {limit} in '{path}', {} entries",
        Limit(bytes),
        kept.len()
    ));

    Ok(())
}

/// Formats an entry as one line.
fn line(kept: &CachedEntry) -> String {
    let size = Limit(kept.bytes).to_string();
    let about = match &kept.manifest {
        Some(manifest) => format!(
            "{:>8}  {:<12}  {}",
            clock(manifest.seconds()),
            manifest.model,
            manifest.song
        ),
        None => "cannot be read; `sextet cache clear` removes it".to_owned(),
    };

    format!("{}  {size:>9}  used {}  {about}", kept.key, ago(kept.used))
}

/// Formats the time since `then`, such as `5 min ago`.
fn ago(then: SystemTime) -> String {
    let seconds = SystemTime::now()
        .duration_since(then)
        .unwrap_or_default()
        .as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

fn clear(cache: &StemCache, keys: &[String]) -> Result<()> {
    let kept = cache.kept()?;
    for key in keys {
        if key.is_empty()
            || !kept
                .iter()
                .any(|kept| kept.key.to_string().starts_with(key))
        {
            let fault = Fault::new(Kind::Usage, format!("the stem cache has no entry '{key}'"));
            return Err(fault.remedy("`sextet cache list` shows the keys").into());
        }
    }

    let wanted = |kept: &&CachedEntry| {
        keys.is_empty() || keys.iter().any(|key| kept.key.to_string().starts_with(key))
    };
    let (mut count, mut bytes, mut used) = (0, 0, 0);
    cache.sweep()?;

    for kept in kept.iter().filter(wanted) {
        if cache.remove(kept)? {
            count += 1;
            bytes += kept.bytes;
        } else {
            used += 1;
        }
    }

    let stay = if used > 0 {
        format!("; {used} in use stay")
    } else {
        String::new()
    };

    stdio::out(&format!("removed {count} entries, {}{stay}", Limit(bytes)));
    Ok(())
}

fn path(cache: &StemCache) -> Result<()> {
    stdio::out(&cache.folders.stems().display().to_string());
    Ok(())
}

fn set_limit(cache: &StemCache, limit: Option<Limit>) -> Result<()> {
    if let Some(limit) = limit {
        cache.set_limit(limit)?;
        cache.make_room(0, None)?;
    }
    stdio::out(&cache.limit()?.to_string());
    Ok(())
}
