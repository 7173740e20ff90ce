//! `cache`: looks after the content store.

use std::path::Path;

use crate::action::result::{Content, Listing, Record};
use crate::base::code;
use crate::base::digest::BlobDigest;
use crate::cli::args::CacheCommand;
use crate::cli::commands::{bundle, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::settings::settings;
use crate::event::{Event, EventSink};
use crate::store::atomic;
use crate::store::cache::Cache;
use crate::store::cache_options::Access;
use crate::store::gc::GcPolicy;

/// `cache`.
///
/// # Errors
/// If the store cannot be used.
pub(in crate::cli) fn cache(process: &Process, command: CacheCommand) -> Result<Exit, Stop> {
    match command {
        CacheCommand::Info => info(process),
        CacheCommand::Verify => verify(process),
        CacheCommand::Gc => gc(process),
        CacheCommand::Export { select, state, out } => bundle::export(process, &select, state, &out),
        CacheCommand::Import { file } => bundle::import(process, &file),
    }
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::environment(code::CACHE_UNUSABLE, error)
}

fn info(process: &Process) -> Result<Exit, Stop> {
    let cache = process.open_cache(Access::ReadOnly, None)?;
    let (files, bytes) = usage(cache.root());
    print(&format!("cache: {}\nfiles: {files}\nbytes: {bytes}\n", cache.root().display()));
    Ok(Exit::Ok)
}

/// Number and size of the files below a folder.
fn usage(root: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => open.push(entry.path()),
                Ok(meta) => {
                    files += 1;
                    bytes += meta.len();
                }
                Err(_) => {}
            }
        }
    }
    (files, bytes)
}

fn verify(process: &Process) -> Result<Exit, Stop> {
    let report = process.open_cache(Access::ReadWrite, None)?.verify().map_err(failed)?;
    let mut text =
        format!("{} records and {} blobs are whole ({} bytes)\n", report.records, report.blobs, report.bytes);
    for damaged in &report.damaged {
        text.push_str(&format!("damaged, set aside: {damaged}\n"));
    }
    print(&text);
    Ok(if report.damaged.is_empty() { Exit::Ok } else { Exit::Failure })
}

/// Brings the cache within its limits, at most once a day: what a person never has to think of.
pub(in crate::cli) fn gc_daily(process: &Process, root: &Path, cache: &Cache, sink: &mut dyn EventSink) {
    let stamp = cache.root().join("last-gc");
    let today = (process.clock.unix_seconds() / 86_400).to_string();
    if std::fs::read_to_string(&stamp).is_ok_and(|day| day == today) {
        return;
    }
    let done = policy(process, root)
        .map_err(|stop| stop.told().to_owned())
        .and_then(|policy| cache.gc(&policy, &|payload| blobs_of(cache, payload)).map_err(|error| error.to_string()));
    if let Err(message) = done {
        sink.event(&Event::Warning {
            code: code::CACHE_TROUBLE,
            node: None,
            message: format!("the cache was not cleaned: {}", message.trim_end()),
        });
    }
    // If the day cannot be noted, the next run tries again.
    atomic::write(&stamp, today.as_bytes(), false).ok();
}

/// Limits from `config/ocelot.yaml`, if there is one here.
fn policy(process: &Process, root: &Path) -> Result<GcPolicy, Stop> {
    let mut policy = GcPolicy::default();
    // Problems of the file were told when it was read.
    if let Ok((bytes, days)) = settings(process, root)?.cache.limits() {
        policy.max_bytes = bytes.unwrap_or(policy.max_bytes);
        policy.max_age_days = days.unwrap_or(policy.max_age_days);
    }
    Ok(policy)
}

fn gc(process: &Process) -> Result<Exit, Stop> {
    let policy = policy(process, &process.dir)?;
    let cache = process.open_cache(Access::ReadWrite, None)?;
    let report = cache.gc(&policy, &|payload| blobs_of(&cache, payload)).map_err(failed)?;
    print(&if report.busy {
        "another process is collecting; nothing was done\n".to_owned()
    } else {
        format!(
            "kept {} records, dropped {} records and {} blobs: {} bytes before, {} after\n",
            report.records_kept, report.records_removed, report.blobs_removed, report.bytes_before, report.bytes_after
        )
    });
    Ok(Exit::Ok)
}

/// Every blob that a record needs: outputs, listings and what they list, logs, and its manifest.
pub(in crate::cli) fn blobs_of(cache: &Cache, payload: &[u8]) -> Vec<BlobDigest> {
    let Some(record) = Record::decode_any(payload) else { return Vec::new() };
    let mut blobs = vec![BlobDigest::from_bytes(*record.action.as_bytes())];
    for (digest, _) in record.blobs() {
        blobs.push(digest);
    }
    for output in record.alternatives.iter().flat_map(|alternative| &alternative.result.outputs) {
        if let Content::Tree { listing, .. } = &output.content
            && let Some(listing) = Listing::read(listing, || cache.read_blob(listing, u64::MAX))
        {
            blobs.extend(listing.0.iter().filter_map(|(_, content)| match content {
                Content::File(file) => Some(file.digest),
                Content::Symlink(_) | Content::Tree { .. } => None,
            }));
        }
    }
    blobs
}
