//! Statements as files beside the results: items of the run, which go when its results go and which trigger nothing.

use crate::series::act_of_run;
use crate::uploads::{discard_derived, draft_of_bytes, show_draft};
use crate::{Error, Ids, Item, Run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use stitchbox_provenance::{Attestation, MAX_PICTURE_BYTES, Verdict};
use stitchbox_schema::{ItemId, ItemName, Timestamp};
use stitchbox_store::attest::AttestationRow;
use stitchbox_store::{Connection, Tx, items};

/// The files that show a statement.
#[derive(Debug, Default)]
pub(super) struct ShownFiles {
    pub statement: Option<ItemId>,
    pub picture: Option<ItemId>,
}

/// The folder that shows the results of a run.
pub(super) async fn output_folder(db: &mut Connection, run: &Run) -> Result<Option<Item>, Error> {
    let name = run.outputs.first().and_then(|path| path.split_once('/')).map(|(folder, _)| folder.to_owned());
    let Some(name) = name else { return Ok(None) };
    let (_, lives) = items::path(db, run.folder).await?;
    if !lives {
        return Ok(None);
    }
    let folder = items::child(db, run.folder, &name).await?;
    Ok(folder.filter(|folder| folder.is_folder() && folder.run == Some(run.id)))
}

/// What the file is called, without its ending: `Reproduced at box.example.org`. A port follows after a hyphen, since a
/// colon is no letter of a file name everywhere.
fn stem(verdict: Verdict, peer: &str) -> String {
    let said = match verdict {
        Verdict::Identical => "Reproduced",
        Verdict::Agrees => "Agrees",
        Verdict::Diverged => "Diverged",
    };
    format!("{said} at {}", peer.replace(':', "-"))
}

/// Shows a statement in the folder of the results; the files of the peer's earlier word go.
#[expect(clippy::too_many_arguments, reason = "one call in one transaction")]
pub(super) async fn show(
    tx: &mut Tx,
    ids: &Ids,
    run: &Run,
    peer: &str,
    said: &Attestation,
    jws: &str,
    earlier: Option<AttestationRow>,
    now: Timestamp,
) -> Result<ShownFiles, Error> {
    let Some(folder) = output_folder(tx, run).await? else { return Ok(ShownFiles::default()) };
    let act = act_of_run(run.id, now);
    let stem = stem(said.verdict, peer);
    let statement = format!("{stem}.json");
    if ItemName::parse(&statement).is_err() {
        return Ok(ShownFiles::default());
    }
    let picture = said.difference_png.as_deref().and_then(|png| STANDARD.decode(png).ok());
    let picture = picture.filter(|png| png.len() <= MAX_PICTURE_BYTES && png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let picture_name = picture.as_ref().map(|_| format!("{stem}.png"));
    let old = earlier.into_iter().flat_map(|row| [row.item, row.picture]).flatten();
    for old in old {
        let Some(item) = items::by_id(tx, old).await? else { continue };
        let replaced = item.name == statement || Some(&item.name) == picture_name.as_ref();
        if item.parent == Some(folder.id) && item.run == Some(run.id) && !replaced {
            discard_derived(tx, &folder, &item, act).await?;
        }
    }
    let text = text(peer, said, jws);
    let mut shown = ShownFiles::default();
    for (name, bytes, is_picture) in [(Some(statement), Some(text.into_bytes()), false), (picture_name, picture, true)]
    {
        let (Some(name), Some(bytes)) = (name, bytes) else { continue };
        // Somebody's own file cannot be here: the folder is the run's.
        let draft = draft_of_bytes(ids, &name, bytes, now)?;
        let item = show_draft(tx, ids, &folder, &name, draft, act).await?;
        let place = if is_picture { &mut shown.picture } else { &mut shown.statement };
        *place = Some(item.id);
    }
    Ok(shown)
}

/// What a person reads, and the signed words for programs.
fn text(peer: &str, said: &Attestation, jws: &str) -> String {
    let plain = match said.verdict {
        Verdict::Identical => "The run was repeated there on the same files and gave the same result, bit for bit.",
        Verdict::Agrees => {
            "The run was repeated there on the same files; the result agrees with ours within the uncertainties (k = 2)."
        }
        Verdict::Diverged => {
            "The run was repeated there on the same files; the result differs by more than the uncertainties (k = 2)."
        }
    };
    let without_picture = Attestation { difference_png: None, ..said.clone() };
    let document = json!({
        "schema": "stitchbox.attestation-file/1",
        "site": peer,
        "verdict": said.verdict,
        "in_words": plain,
        "statement": without_picture,
        "jws": jws,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::{Verdict, stem};

    #[test]
    fn names_say_what_and_where() {
        assert_eq!(stem(Verdict::Identical, "box.example.org"), "Reproduced at box.example.org");
        assert_eq!(stem(Verdict::Diverged, "[::1]:8443"), "Diverged at [--1]-8443");
    }
}
