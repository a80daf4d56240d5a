//! What a site signs: that a crate is its own, and how a repetition of a run came out.

use serde::{Deserialize, Serialize};

use crate::agreement::{Agreement, Verdict};

/// `type` of a [`CrateStatement`].
pub const CRATE_TYPE: &str = "stitchbox.crate/1";
/// `type` of an [`Attestation`].
pub const ATTESTATION_TYPE: &str = "stitchbox.attestation/1";
/// Largest difference map in an attestation, bytes of PNG.
pub const MAX_PICTURE_BYTES: usize = 128 << 10;

/// The payload of `ro-crate-metadata.json.jws`: this file is ours. Since the crate names every other file by hash, the
/// signature covers them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrateStatement {
    /// [`CRATE_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Address of the site, `https://host[:port]`; empty where the site takes part in no federation.
    pub iss: String,
    /// When it was signed, seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// Name of the file.
    pub name: String,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// Id of the run at that site.
    pub run: String,
    /// Result digest.
    pub result_digest: String,
}

/// The payload of an attestation: a site has repeated a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    /// [`ATTESTATION_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Address of the site that repeated it, `https://host[:port]`; empty where it takes part in no federation.
    pub iss: String,
    /// Its name for people: the host, or what it calls itself.
    pub site: String,
    /// When, seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// Which run.
    pub of: Repeated,
    /// With which engines.
    pub engine: Engines,
    /// The result digests.
    pub result_digest: Pair,
    /// How it came out.
    pub verdict: Verdict,
    /// The numbers behind it; none where the digests are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Agreement>,
    /// The difference map as PNG in base64, where it diverged; at most [`MAX_PICTURE_BYTES`] before encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_png: Option<String>,
}

/// A run as those name it who repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// Its id at the site it comes from, out of the crate.
    pub run: Option<String>,
    /// Name of the series.
    pub title: String,
    /// SHA-256 of the crate's metadata file: what exactly was repeated.
    pub crate_sha256: String,
    /// [`crate::inputs_digest`] of the inputs, each of which was checked.
    pub inputs_digest: String,
    /// Number of inputs.
    pub inputs: usize,
    /// SHA-256 of the recipe.
    pub recipe_sha256: String,
}

/// Two sides of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Of the run that was repeated.
    pub theirs: String,
    /// Of the repetition.
    pub ours: String,
}

/// The engines of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engines {
    /// Of the run that was repeated.
    pub theirs: String,
    /// Of the repetition.
    pub ours: String,
    /// They differ in a way that may change results, and it was asked for all the same.
    pub differs: bool,
}
