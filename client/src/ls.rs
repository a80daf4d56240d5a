//! `stitchbox ls`: what is in a folder of a server.

use std::io::Write as _;

use futures::StreamExt as _;
use serde::Serialize;
use stitchbox_remote::{Connection, Entry, Place, Top, WireError, child};
use stitchbox_sync::remote::{ItemId, Kind};
use time::OffsetDateTime;

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder: SPACE:/path or an address; without it the spaces are listed
    place: Option<Written>,
    /// With permissions, size and time
    #[arg(short)]
    long: bool,
    /// Everything below, too
    #[arg(short = 'R')]
    recursive: bool,
    /// One JSON document a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

/// One line of the listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    path: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Some(written) = &args.place else { return spaces(&args).await };
    let (place, connection) = written.reach(&args.account)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut print = |line: &Line| show(&mut out, line, &args);
    let done = if args.recursive {
        match connection.space_of(&place).await {
            Ok(Some(space)) => tree(&connection, &space.id, &place, &mut print).await,
            Ok(None) => descend(&connection, &place, &mut print).await,
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => {
                descend(&connection, &place, &mut print).await
            }
            Err(error) => Err(error),
        }
    } else {
        one_folder(&connection, &place, &mut print).await
    };
    // a reader that left early, such as `head`, is no failure
    let _ = out.flush();
    done.map_err(|error| Failure::request(&place, &error))
}

async fn spaces(args: &Args) -> Result<(), Failure> {
    let server = args.account.server()?;
    let connection = args.account.connect(&server)?;
    for space in connection.spaces().await.map_err(|error| Failure::request(&server, &error))? {
        if args.json {
            println!("{}", serde_json::json!({ "id": space.id, "name": space.name, "kind": space.kind }));
        } else {
            println!("{}:/  {}", printable(&space.name), space.kind);
        }
    }
    Ok(())
}

async fn one_folder(connection: &Connection, place: &Place, print: &mut impl FnMut(&Line)) -> Result<(), WireError> {
    let entries = connection.list(&place.address).await?.ok_or(WireError::NotThere)?;
    let is_file = entries.len() == 1 && entries.iter().all(|entry| !entry.is_folder);
    let mut lines: Vec<Line> = entries
        .iter()
        .filter(|entry| is_file || !entry.name.is_empty())
        .map(|entry| line(entry, String::new(), place))
        .collect();
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    lines.iter().for_each(print);
    Ok(())
}

/// Everything below, folder by folder.
async fn descend(connection: &Connection, place: &Place, print: &mut impl FnMut(&Line)) -> Result<(), WireError> {
    let mut open = vec![(place.address.clone(), String::new())];
    while let Some((url, path)) = open.pop() {
        let mut entries = connection.list(&url).await?.ok_or(WireError::NotThere)?;
        entries.retain(|entry| !entry.name.is_empty());
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in &entries {
            print(&line(entry, path.clone(), place));
        }
        for entry in entries.iter().rev().filter(|entry| entry.is_folder) {
            open.push((child(&url, [entry.name.as_str()]), format!("{path}{}/", entry.name)));
        }
    }
    Ok(())
}

/// Everything below, in one stream.
async fn tree(
    connection: &Connection,
    space: &str,
    place: &Place,
    print: &mut impl FnMut(&Line),
) -> Result<(), WireError> {
    let path = format!("/{}", place.path);
    let mut listing = connection.tree(space, if path == "/" { Top::Space } else { Top::Path(&path) }).await?;
    let mut folders: std::collections::HashMap<ItemId, String> = std::collections::HashMap::new();
    let mut is_top = true;
    while let Some(item) = listing.items.next().await {
        let item = item?;
        let above = item.parent.as_ref().and_then(|parent| folders.get(parent)).cloned().unwrap_or_default();
        let path = if is_top { String::new() } else { format!("{above}{}", item.name) };
        if item.kind == Kind::Folder {
            let inside = if path.is_empty() { String::new() } else { format!("{path}/") };
            folders.insert(item.id.clone(), inside);
        }
        if !is_top || item.kind == Kind::File {
            print(&Line {
                path: if path.is_empty() { item.name.to_string() } else { path },
                kind: item.kind,
                size: Some(item.size),
                mtime: OffsetDateTime::from_unix_timestamp_nanos(item.mtime_ns.into()).ok().map(instant),
                etag: Some(item.etag.0.to_string()),
                id: Some(item.id.to_string()),
                permissions: Some(item.permissions.0.to_string()),
                sha256: item.sha256.map(|digest| digest.to_string()),
            });
        }
        is_top = false;
    }
    Ok(())
}

fn line(entry: &Entry, above: String, place: &Place) -> Line {
    let own = place.path.rsplit('/').next().unwrap_or_default();
    let name = if entry.name.is_empty() { own } else { entry.name.as_str() };
    let modified = entry.modified.as_deref().and_then(|text| httpdate::parse_http_date(text).ok());
    Line {
        path: format!("{above}{name}"),
        kind: if entry.is_folder { Kind::Folder } else { Kind::File },
        size: entry.size,
        mtime: modified.map(|time| instant(OffsetDateTime::from(time))),
        etag: entry.etag.clone(),
        id: entry.id.clone(),
        permissions: entry.permissions.clone(),
        sha256: entry.sha256().map(|digest| digest.to_string()),
    }
}

/// As in ISO 8601, to the second.
fn instant(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!("{date}T{:02}:{:02}:{:02}Z", clock.hour(), clock.minute(), clock.second())
}

fn show(out: &mut impl std::io::Write, line: &Line, args: &Args) {
    let folder = if line.kind == Kind::Folder { "/" } else { "" };
    // a reader that left early ends the listing without a word
    let _ = if args.json {
        writeln!(out, "{}", serde_json::to_string(line).unwrap_or_default())
    } else if args.long {
        let size = line.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let permissions = line.permissions.as_deref().unwrap_or("-");
        let mtime = line.mtime.as_deref().unwrap_or("-");
        writeln!(out, "{permissions:<8} {size:>14} {mtime:<20} {}{folder}", printable(&line.path))
    } else {
        writeln!(out, "{}{folder}", printable(&line.path))
    };
}

/// A name that cannot move the cursor.
pub(crate) fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
