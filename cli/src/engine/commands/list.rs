//! `sextet engine list` and `clear`: list and empty the cache of engines.

use anyhow::Result;
use sextet_separator::tensorrt::{CacheEntry, PlanCache};

use crate::stdio;

pub(super) fn run(json: bool) -> Result<()> {
    let cache = PlanCache::new(crate::engine::engine_cache()?);
    let entries = cache.entries().map_err(sextet_separator::Error::from)?;
    if json {
        let entry = |entry: &CacheEntry| {
            serde_json::json!({
                "path": entry.path, "bytes": entry.bytes, "current": entry.current, "made_for": facts(entry),
            })
        };
        stdio::out(&serde_json::Value::from_iter(entries.iter().map(entry)).to_string());
        return Ok(());
    }

    if entries.is_empty() {
        stdio::out(&format!(
            "no engine has been built in {}",
            cache.folder().display()
        ));
    }

    entries.iter().for_each(|entry| stdio::out(&line(entry)));
    Ok(())
}

/// Returns the facts that a plan was made for, or null for a damaged one.
fn facts(entry: &CacheEntry) -> serde_json::Value {
    let text = entry.made_for.as_deref();
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn line(entry: &CacheEntry) -> String {
    let made = facts(entry);
    let text = |field: &str| made[field].as_str().unwrap_or("?").to_owned();
    let targets: Vec<&str> = made["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|t| t.as_str())
        .collect();

    let targets = if targets.is_empty() {
        "all".to_owned()
    } else {
        targets.join(",")
    };

    let model: String = text("model").chars().take(8).collect();
    let state = if entry.current {
        ""
    } else {
        "  (of another version: not used)"
    };

    format!(
        "{}  model {model}  {}  batch {}  for {targets}  {:.0} MB{state}",
        entry.path.display(),
        text("precision"),
        made["batch"],
        entry.bytes as f64 / 1e6
    )
}

pub(super) fn clear() -> Result<()> {
    let cache = PlanCache::new(crate::engine::engine_cache()?);
    let freed = cache.clear().map_err(sextet_separator::Error::from)?;
    stdio::out(&format!(
        "{:.0} MB freed in {}",
        freed as f64 / 1e6,
        cache.folder().display()
    ));
    Ok(())
}
