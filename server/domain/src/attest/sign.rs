//! Signatures: ours over crates and attestations, by the key that also signs what we say to peers.

use crate::{Domain, Error};
use serde_json::{Map, Value};
use stitchbox_federation::jws;
use stitchbox_provenance::{Attestation, CRATE_NAME, CRATE_TYPE, CrateStatement, Hashing};
use stitchbox_schema::RunId;

/// What is signed.
pub(super) enum Statement<'a> {
    Crate(&'a CrateStatement),
    Attestation(&'a Attestation),
}

impl Statement<'_> {
    fn typ(&self) -> &'static str {
        match self {
            Self::Crate(_) => "stitchbox-crate+jws",
            Self::Attestation(_) => "stitchbox-attestation+jws",
        }
    }

    fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Crate(statement) => serde_json::to_vec(statement),
            Self::Attestation(statement) => serde_json::to_vec(statement),
        }
    }
}

impl Domain {
    /// The content of the signature beside a crate: a compact JWS over the SHA-256 of the crate's metadata file, one line.
    pub async fn sign_crate(&self, metadata: &[u8], run: RunId, result_digest: &str) -> Result<Vec<u8>, Error> {
        let mut hashing = Hashing::default();
        hashing.update(metadata);
        let fingerprint = hashing.finish();
        let statement = CrateStatement {
            kind: CRATE_TYPE.to_owned(),
            iss: self.origin().to_owned(),
            iat: self.now().0.div_euclid(1_000_000_000),
            name: CRATE_NAME.to_owned(),
            sha256: fingerprint.sha256,
            bytes: fingerprint.bytes,
            run: run.to_string(),
            result_digest: result_digest.to_owned(),
        };
        let mut text = self.sign(Statement::Crate(&statement)).await?;
        text.push('\n');
        Ok(text.into_bytes())
    }

    /// Address of this site for provenance; none where it takes part in no federation.
    #[must_use]
    pub fn site_address(&self) -> Option<String> {
        Some(self.origin().to_owned()).filter(|origin| !origin.is_empty())
    }

    pub(super) async fn sign(&self, statement: Statement<'_>) -> Result<String, Error> {
        let keys = self.site_keys().await?;
        let unsignable = |what: String| Error::Store(stitchbox_store::StoreError::Driver(what));
        let payload = statement.payload().map_err(|error| unsignable(error.to_string()))?;
        let header = Map::from_iter([("typ".to_owned(), Value::from(statement.typ()))]);
        jws::sign(&payload, &keys, header, true).map_err(|error| unsignable(error.to_string()))
    }

    /// How this site is called in attestations: its host, or words where it takes part in no federation.
    pub(super) fn site_name(&self) -> String {
        let origin = self.origin();
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or(origin);
        if host.is_empty() { "this site".to_owned() } else { host.to_owned() }
    }
}
