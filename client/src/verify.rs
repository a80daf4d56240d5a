//! `stitchbox verify`: is a result what it claims to be? Offline: files, hashes, signatures.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use stitchbox_federation::jws::{self, JwsError};
use stitchbox_federation::keys::{Jwk, Jwks};
use stitchbox_provenance::{
    ATTESTATION_TYPE, Attestation, CRATE_NAME, CRATE_TYPE, Checked, CrateStatement, FileState, FolderCheck,
    SIGNATURE_NAME, check_folder, result_folders,
};

use crate::exit::Failure;
use crate::ls::printable;

/// Longest signature or attestation that is read, bytes.
const MOST_TEXT: u64 = 4 << 20;
/// Most names of other files that are told.
const MOST_NAMES: usize = 20;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of a series, of results, or any folder above
    folder: PathBuf,
    /// Keys of the sites that are trusted: a file with a JSON Web Key Set, or the address of a site or of its set. With it a
    /// result counts only if one of these keys signed it
    #[arg(long, value_name = "FILE|URL")]
    keys: Vec<String>,
    /// Certificates (PEM) of authorities to trust beside those of the system, for keys from an address
    #[arg(long, visible_alias = "cacert", value_name = "FILE", env = "STITCHBOX_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A folder of results, as it is told.
#[derive(Debug, Default, Serialize)]
struct Told {
    folder: String,
    good: bool,
    title: Option<String>,
    run: Option<String>,
    engine: Option<String>,
    result_digest: Option<String>,
    signature: Signature,
    outputs: Counted,
    inputs: Counted,
    attestations: Vec<Attested>,
    /// What is wrong, a sentence each.
    problems: Vec<String>,
    /// What to know.
    remarks: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Counted {
    good: usize,
    missing: usize,
    bad: usize,
}

/// A signature and whose it is.
#[derive(Debug, Default, Serialize)]
struct Signature {
    /// `none`, `good` (the key that came along), `trusted` (a key of `--keys`) or `bad`.
    state: &'static str,
    /// The site it speaks for.
    site: Option<String>,
    kid: Option<String>,
    /// RFC 7638, of the key that came along.
    thumbprint: Option<String>,
    signed_at: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Attested {
    file: String,
    site: String,
    verdict: String,
    signature: Signature,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let keys = trusted(args)?;
    let folders = result_folders(&args.folder);
    if folders.is_empty() {
        let folder = args.folder.display();
        return Err(Failure::failed(format!("{folder}: no result with a {CRATE_NAME} was found at or below it")));
    }
    let told: Vec<Told> = folders.iter().map(|folder| look(folder, keys.as_ref())).collect();
    let bad = told.iter().filter(|told| !told.good).count();
    if args.json {
        println!("{}", serde_json::json!({"good": bad == 0, "results": told}));
    } else {
        told.iter().for_each(print);
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure::untrue(format!("{bad} of {} results are not what they claim to be", told.len()))),
    }
}

/// The keys that are trusted; `None` if nobody was named.
fn trusted(args: &Args) -> Result<Option<Jwks>, Failure> {
    let mut all = Jwks::default();
    for source in &args.keys {
        let bytes = match Url::parse(source) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => fetch(&url, args.ca_file.as_deref())?,
            _ => std::fs::read(source)
                .map_err(|error| Failure::failed(format!("{source} could not be read: {error}")))?,
        };
        let set = Jwks::parse(&bytes)
            .map_err(|error| Failure::failed(format!("{source} is no JSON Web Key Set: {error}")))?;
        all.keys.extend(set.keys);
    }
    Ok(if args.keys.is_empty() { None } else { Some(all) })
}

/// The key set at an address; a bare address of a site leads to its set.
fn fetch(url: &Url, authorities: Option<&Path>) -> Result<Vec<u8>, Failure> {
    const LIMIT: usize = 256 << 10;
    let address = if url.path() == "/" { url.join("ocm/jwks") } else { Ok(url.clone()) };
    let address = address.map_err(|error| Failure::usage(format!("{url}: {error}")))?;
    let get = async {
        let mut client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30));
        if let Some(path) = authorities {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())?;
            client = certificates.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        }
        let client = client.build().map_err(|error| error.to_string())?;
        let answer = client.get(address.clone()).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| error.to_string())? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LIMIT {
                return Err("the answer is too long for a key set".to_owned());
            }
        }
        Ok::<_, String>(bytes)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("the network could not be started: {error}")))?;
    runtime.block_on(get).map_err(|why| Failure::failed(format!("the keys at {address} could not be fetched: {why}")))
}

fn look(folder: &Path, keys: Option<&Jwks>) -> Told {
    let mut told = Told { folder: folder.display().to_string(), ..Told::default() };
    told.signature.state = "none";
    let check = match check_folder(folder) {
        Ok(check) => check,
        Err(error) => {
            told.problems.push(format!("{CRATE_NAME}: {error}"));
            return told;
        }
    };
    told.title = Some(check.run_crate.title.clone());
    told.run.clone_from(&check.run_crate.run);
    told.engine = Some(check.run_crate.engine.clone());
    told.result_digest = Some(check.run_crate.digest.clone());
    signature(folder, &check, keys, &mut told);
    told.outputs = count("", &check.outputs, true, &mut told.problems);
    told.inputs = count("../", &check.inputs, false, &mut told.problems);
    match &check.digest {
        None => {
            told.remarks.push("the result is no height map: its digest cannot be made again from one file".to_owned())
        }
        Some(Ok(digest)) if *digest == check.run_crate.digest => {}
        Some(Ok(digest)) => told.problems.push(format!(
            "height.h5: its result digest is {digest} and not {} as the crate says",
            check.run_crate.digest
        )),
        Some(Err(why)) => told.problems.push(format!("height.h5: no result digest can be made of it: {why}")),
    }
    attestations(folder, &check, keys, &mut told);
    let is_attested = |name: &str| told.attestations.iter().any(|attested| attested.file == name);
    let others: Vec<&str> = check.others.iter().map(String::as_str).filter(|name| !is_attested(name)).collect();
    if !others.is_empty() {
        let more = others.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = others.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
        told.remarks.push(format!("not part of the result, and vouched for by nobody: {names}{more}"));
    }
    told.good = told.problems.is_empty();
    told
}

fn count(prefix: &str, files: &[Checked], needed: bool, problems: &mut Vec<String>) -> Counted {
    let mut counted = Counted::default();
    for Checked { file, state } in files {
        let name = format!("{prefix}{}", file.name);
        match state {
            FileState::Good => counted.good += 1,
            FileState::Missing => {
                counted.missing += 1;
                if needed {
                    problems.push(format!("{name}: it is missing"));
                }
            }
            FileState::Changed { found } => {
                counted.bad += 1;
                problems.push(format!(
                    "{name}: it was changed: SHA-256 {} and {} bytes instead of {} and {}",
                    found.sha256, found.bytes, file.sha256, file.bytes
                ));
            }
            FileState::Unreadable { why } => {
                counted.bad += 1;
                problems.push(format!("{name}: it cannot be checked: {why}"));
            }
        }
    }
    counted
}

/// A file that is small enough to be a signature, if it is there.
fn short_text(path: &Path) -> Option<Result<String, String>> {
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MOST_TEXT {
        return Some(Err("it is no short text".to_owned()));
    }
    Some(std::fs::read_to_string(path).map_err(|error| error.to_string()))
}

/// The payload of a signature and whose it is; `Err` with the reason if it is not to be believed.
fn opened(text: &str, keys: Option<&Jwks>) -> (Signature, Result<Vec<u8>, String>) {
    let mut signature = Signature { state: "bad", ..Signature::default() };
    let mut embedded = None;
    let opened = jws::verify(text, |header| {
        signature.kid = Some(header.kid.clone());
        embedded = header.members.get("jwk").and_then(|jwk| Jwk::parse(jwk).ok());
        match keys {
            Some(keys) => keys.find(&header.kid).filter(|_| !header.kid.is_empty()).map(|jwk| jwk.key.clone()),
            None => embedded.as_ref().map(|jwk| jwk.key.clone()),
        }
    });
    signature.thumbprint = embedded.as_ref().map(Jwk::thumbprint);
    match opened {
        Ok((_, payload)) => {
            signature.state = if keys.is_some() { "trusted" } else { "good" };
            (signature, Ok(payload))
        }
        Err(JwsError::UnknownKey) if keys.is_some() => (signature, Err("it is by none of the trusted keys".to_owned())),
        Err(JwsError::UnknownKey) => {
            (signature, Err("no key came along with it; name the site's keys with --keys".to_owned()))
        }
        Err(error) => (signature, Err(error.to_string())),
    }
}

fn signature(folder: &Path, check: &FolderCheck, keys: Option<&Jwks>, told: &mut Told) {
    let wrong = |why: &str| format!("{SIGNATURE_NAME}: {why}");
    let text = match short_text(&folder.join(SIGNATURE_NAME)) {
        Some(Ok(text)) => text,
        Some(Err(why)) => {
            told.signature.state = "bad";
            return told.problems.push(wrong(&why));
        }
        None if keys.is_some() => return told.problems.push(wrong("it is missing, so nobody vouches for the result")),
        None => return told.remarks.push("the result is not signed: nobody vouches for it".to_owned()),
    };
    let (signature, payload) = opened(&text, keys);
    told.signature = signature;
    let statement = payload.and_then(|payload| {
        serde_json::from_slice::<CrateStatement>(&payload).map_err(|error| format!("it signs something else: {error}"))
    });
    let statement = match statement {
        Ok(statement) => statement,
        Err(why) => {
            told.signature.state = "bad";
            return told.problems.push(wrong(&why));
        }
    };
    told.signature.site = Some(statement.iss.clone()).filter(|site| !site.is_empty());
    told.signature.signed_at = Some(statement.iat);
    let said = (statement.kind.as_str(), statement.name.as_str(), statement.sha256.as_str(), statement.bytes);
    if said != (CRATE_TYPE, CRATE_NAME, check.metadata.sha256.as_str(), check.metadata.bytes) {
        told.signature.state = "bad";
        told.problems.push(format!("{CRATE_NAME}: it is not the file that was signed"));
    } else if statement.result_digest != check.run_crate.digest {
        told.problems.push(wrong("it names another result digest than the crate"));
    }
    told.remarks.extend(stranger(&told.signature).map(|why| wrong(&why)));
    if keys.is_none() && told.signature.state == "good" {
        told.remarks
            .push("the signature fits the key that came with it; whose key that is, only --keys can tell".to_owned());
    }
}

/// A remark where the key that signed is, by its name, another site's than the one in whose name it speaks.
fn stranger(signature: &Signature) -> Option<String> {
    let (kid, site) = (signature.kid.as_ref()?, signature.site.as_ref()?);
    let (of, _) = kid.split_once('#')?;
    let host = |text: &str| text.split_once("://").map_or(text, |(_, host)| host).trim_end_matches('/').to_owned();
    (host(of) != host(site))
        .then(|| format!("it speaks in the name of {site}, and the key that signed it is called {kid}"))
}

/// What sites say that repeated the run: files beside the results.
fn attestations(folder: &Path, check: &FolderCheck, keys: Option<&Jwks>, told: &mut Told) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".json") && name != CRATE_NAME && check.run_crate.output(name).is_none())
        .collect();
    names.sort();
    for name in names {
        let Some(Ok(text)) = short_text(&folder.join(&name)) else { continue };
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        if document["schema"] != "stitchbox.attestation-file/1" {
            continue;
        }
        let (mut signature, payload) = opened(document["jws"].as_str().unwrap_or_default(), keys);
        let said = payload.and_then(|payload| {
            serde_json::from_slice::<Attestation>(&payload).map_err(|error| format!("it says nothing known: {error}"))
        });
        match said {
            Ok(said) => {
                let of = &said.of;
                let same = said.kind == ATTESTATION_TYPE
                    && of.crate_sha256 == check.metadata.sha256
                    && said.result_digest.theirs == check.run_crate.digest;
                if !same {
                    signature.state = "bad";
                    told.problems.push(format!("{name}: it speaks of another result"));
                } else if document["verdict"] != said.verdict.as_str() {
                    signature.state = "bad";
                    told.problems.push(format!("{name}: what it says is not what was signed"));
                }
                signature.site = Some(said.iss.clone()).filter(|site| !site.is_empty());
                signature.signed_at = Some(said.iat);
                told.remarks.extend(stranger(&signature).map(|why| format!("{name}: {why}")));
                let verdict = said.verdict.as_str().to_owned();
                told.attestations.push(Attested { file: name, site: said.site, verdict, signature });
            }
            // A stranger's word is worth nothing, and takes nothing from the result.
            Err(why) if keys.is_some() => told.remarks.push(format!("{name}: {why}; it does not count")),
            Err(why) => told.problems.push(format!("{name}: {why}")),
        }
    }
}

fn print(told: &Told) {
    let say = |what: &str, text: &str| println!("  {what:<11}{}", printable(text));
    println!("{}: {}", printable(&told.folder), if told.good { "good" } else { "NOT GOOD" });
    if let (Some(title), Some(engine)) = (&told.title, &told.engine) {
        let run = told.run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
        say("result", &format!("{title}{run}, by {engine}"));
    }
    let Signature { state, site, kid, thumbprint, .. } = &told.signature;
    let site = site.as_ref().map(|site| format!(" of {site}")).unwrap_or_default();
    let kid = kid.as_ref().map(|kid| format!(", key {kid}")).unwrap_or_default();
    let thumbprint = thumbprint.as_ref().map(|print| format!(", thumbprint {print}")).unwrap_or_default();
    say("signature", &format!("{state}{site}{kid}{thumbprint}"));
    for (what, counted) in [("outputs", &told.outputs), ("inputs", &told.inputs)] {
        let Counted { good, missing, bad } = counted;
        let missing = if *missing > 0 { format!(", {missing} not here") } else { String::new() };
        let bad = if *bad > 0 { format!(", {bad} bad") } else { String::new() };
        say(what, &format!("{good} good{missing}{bad}"));
    }
    if let Some(digest) = &told.result_digest {
        say("digest", digest);
    }
    for attested in &told.attestations {
        say("attested", &format!("{} at {} ({})", attested.verdict, attested.site, attested.signature.state));
    }
    for remark in &told.remarks {
        say("note", remark);
    }
    for problem in &told.problems {
        say("BAD", problem);
    }
}
