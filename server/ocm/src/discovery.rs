//! `GET /.well-known/ocm`, `/ocm-provider`, `/ocm-provider/`: what this site is and can (facts, section 2).

use crate::Ocm;
use crate::refusal::Refused;
use axum::Json;
use axum::extract::State;
use serde_json::Value;
use stitchbox_domain::federation::CallRefusal;
use stitchbox_federation::wire::OurDiscovery;

/// What people see of us where peers show it.
const PROVIDER: &str = "Stitchbox";

/// For whoever reads the address of the drafts.
pub(crate) async fn current(State(ocm): State<Ocm>) -> Result<Json<Value>, Refused> {
    Ok(Json(document(&ocm).await?.document()))
}

/// For who reads the old one: Nextcloud up to 30 takes no later version than 1.1.
pub(crate) async fn legacy(State(ocm): State<Ocm>) -> Result<Json<Value>, Refused> {
    Ok(Json(document(&ocm).await?.legacy_document()))
}

async fn document(ocm: &Ocm) -> Result<OurDiscovery, Refused> {
    let site = ocm.domain.federation().ok_or(CallRefusal::Off)?;
    let mut document = OurDiscovery::new(site.origin(), PROVIDER);
    if site.settings().require_signatures {
        document.criteria.push("must-use-http-sig".to_owned());
    }
    document.public_key = Some(ocm.domain.site_keys().await?.published_key());
    Ok(document)
}
