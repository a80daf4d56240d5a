//! What a peer sees of this site: our own documents fetched through the configured origin, and calls to ourselves, signed
//! both ways. Most trouble between sites is a wrong origin, a certificate, or a proxy that drops a header.

use super::peers::may_administer;
use super::{CallRefusal, Federation, PeerRequest};
use crate::{Domain, Error, Principal};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use stitchbox_federation::dialect;
use stitchbox_federation::discover::{Peer, discover};
use stitchbox_federation::http::{Answer, Call, Http, Policy};
use stitchbox_federation::keys::Jwks;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_federation::signature::cavage::{self, CavageSignature};
use stitchbox_federation::signature::message::{self, MessageSignature};
use stitchbox_federation::signature::{Presented, SignedRequest, presented};
use stitchbox_federation::wire::{Discovery, ResourceType, ShareType};

/// What stands behind `Authorization:` to see whether it arrives.
const CREDENTIAL: &str = "Bearer self-test";

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub what: &'static str,
    /// Whether it is as it should be.
    pub is_good: bool,
    /// What was found.
    pub found: String,
}

impl Step {
    fn of(what: &'static str, result: Result<String, String>) -> Self {
        let is_good = result.is_ok();
        Self { what, is_good, found: result.unwrap_or_else(|found| found) }
    }
}

impl Domain {
    /// Looks at this site from outside. [`crate::federation::FederationRefusal::Off`] without an origin.
    pub async fn federation_self_test(&self, principal: Option<&Principal>) -> Result<Vec<Step>, Error> {
        may_administer(principal)?;
        let site = self.site()?.clone();
        // Our own address may be private: only others' may not.
        let policy = Policy { allow_private: true, ..Federation::policy(&site.settings) };
        let http = Http::new(policy).map_err(|error| super::FederationRefusal::Settings(error.to_string()))?;
        let keys = self.site_keys().await?;
        let origin = site.origin();
        let mut steps = Vec::new();
        for (what, path) in [
            ("discovery document", "/.well-known/ocm"),
            ("old discovery document", "/ocm-provider"),
            ("old discovery document, with slash", "/ocm-provider/"),
        ] {
            let found = get(&http, origin, path).await.and_then(|answer| {
                let document = Discovery::parse(&answer.body).map_err(|error| format!("{path}: {error}"))?;
                let is_ours = document.public_key == Some(keys.published_key());
                if !is_ours {
                    return Err(format!("{origin}{path} publishes another key: another server answers there"));
                }
                Ok(format!("{origin}{path}: version {}", document.api_version))
            });
            steps.push(Step::of(what, found));
        }
        let found = get(&http, origin, "/ocm/jwks").await.and_then(|answer| {
            let shown = Jwks::parse(&answer.body).map_err(|error| error.to_string())?;
            match shown.find(keys.ed25519.kid()) {
                Some(key) if key.key == *keys.ed25519.public() => Ok(format!("{} keys", shown.keys.len())),
                _ => Err("the key that signs is not among them".to_owned()),
            }
        });
        steps.push(Step::of("key set", found));
        let found = get(&http, origin, "/status.php").await.map(|answer| {
            let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            format!("version {}", document.get("version").and_then(Value::as_str).unwrap_or("unknown"))
        });
        steps.push(Step::of("status.php", found));
        for (what, is_message) in [("signature, draft-cavage", false), ("signature, RFC 9421", true)] {
            steps.push(Step::of(what, self.call_ourselves(&http, origin, is_message).await));
        }
        let found = match ask_share_info(&http, origin).await {
            Ok(503) => Ok("answers for an unknown share as it should (503)".to_owned()),
            Ok(status) => Err(format!("answers {status} for an unknown share: something in between answers for us")),
            Err(error) => Err(error),
        };
        steps.push(Step::of("shareinfo", found));
        Ok(steps)
    }

    async fn call_ourselves(&self, http: &Http, origin: &str, is_message: bool) -> Result<String, String> {
        let keys = self.site_keys().await.map_err(|error| error.to_string())?;
        let mut call = Call::new(Method::POST, url(origin, "/ocm/self-test")?);
        let body = br#"{"self":"test"}"#.as_slice();
        let now = self.now().unix_seconds();
        let signed = match is_message {
            true => message::sign(&keys.ed25519, "POST", call.url.as_str(), body, now),
            false => cavage::sign(&keys.rsa, "POST", call.url.as_str(), body, now),
        };
        call.headers = signed.map_err(|error| error.to_string())?;
        call.headers.insert(AUTHORIZATION, HeaderValue::from_static(CREDENTIAL));
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        call.body = body.into();
        let target = call.url.clone();
        let answer =
            http.ask(call).await.and_then(|answer| answer.success(&target)).map_err(|error| error.to_string())?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match told.get("authorization").and_then(Value::as_bool) {
            Some(true) => Ok("verified; the header Authorization arrives, too".to_owned()),
            Some(false) => {
                Err("verified, but the proxy drops the header Authorization: peers cannot read shares".to_owned())
            }
            None => Err("something in between answered for us".to_owned()),
        }
    }

    /// For the other end of the self-test: what of a call that this site signed has arrived.
    pub async fn reflect_self_test(&self, request: &PeerRequest<'_>) -> Result<Value, CallRefusal> {
        let site = self.federation.as_ref().ok_or(CallRefusal::Off)?;
        let keys = self.site_keys().await?;
        let target = format!("{}{}", site.origin(), request.path);
        let signed =
            SignedRequest { method: request.method, target: &target, headers: request.headers, body: request.body };
        let now = self.now().unix_seconds();
        let verified = match presented(request.headers) {
            Presented::Cavage => CavageSignature::read(request.headers)
                .and_then(|signature| signature.verify(&signed, keys.rsa.public(), now)),
            Presented::Message => MessageSignature::read(request.headers)
                .and_then(|signature| signature.verify(&signed, &keys.ed25519.jwk(), now)),
            Presented::Unsigned => return Err(CallRefusal::Unsigned(site.host.clone())),
        };
        verified.map_err(|error| CallRefusal::BadSignature(error.to_string()))?;
        Ok(json!({"authorization": arrives(request.headers)}))
    }

    /// Looks at a peer: what it says about itself, and how it would be spoken with. Nothing is changed here or there.
    pub async fn test_peer(&self, principal: Option<&Principal>, host: &str) -> Result<Vec<Step>, Error> {
        may_administer(principal)?;
        let site = self.site()?.clone();
        let host = super::peers::host(host)?;
        let peer = match discover(&site.http, &host).await {
            Ok(peer) => peer,
            Err(error) => return Ok(vec![Step::of("discovery document", Err(error.to_string()))]),
        };
        let document = peer.discovery();
        let mut steps = vec![
            Step::of(
                "discovery document",
                Ok(format!("{} ({}), version {}", document.end_point, document.provider, document.api_version)),
            ),
            Step::of("can", Ok(document.capabilities.join(", "))),
            Step::of("demands", Ok(document.criteria.join(", "))),
            Step::of(
                "WebDAV",
                peer.webdav_root().map(|url| url.to_string()).map_err(|error: PeerError| error.to_string()),
            ),
        ];
        for (what, resource) in [("files are sent", ResourceType::File), ("folders are sent", ResourceType::Folder)] {
            let choice = dialect::choose(document, resource, ShareType::User);
            let said = choice.map(|choice| format!("{:?}", choice.first.form).to_lowercase());
            steps.push(Step::of(what, said.map_err(|error| error.to_string())));
        }
        steps.push(Step::of("signatures for it", Ok(format!("{:?}", dialect::signing(document)).to_lowercase())));
        steps.push(Step::of("its own keys", self.keys_of(&peer).await));
        Ok(steps)
    }

    async fn keys_of(&self, peer: &Peer) -> Result<String, String> {
        let client = self.ocm_client().await.map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        if let Some(key) = &peer.discovery().public_key {
            found.push(key.key_id.clone());
        }
        match client.fetch_jwks(peer).await {
            Ok(keys) => found.extend(keys.keys.iter().map(|key| key.kid.clone())),
            Err(PeerError::NotOffered { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(if found.is_empty() { "none: it does not sign".to_owned() } else { found.join(", ") })
    }
}

fn arrives(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value == CREDENTIAL)
}

fn url(origin: &str, path: &str) -> Result<reqwest::Url, String> {
    format!("{origin}{path}").parse().map_err(|_| format!("{origin} is no address"))
}

async fn get(http: &Http, origin: &str, path: &str) -> Result<Answer, String> {
    let url = url(origin, path)?;
    let answer = http.ask(Call::get(url.clone())).await.and_then(|answer| answer.success(&url));
    answer.map_err(|error| format!("{origin}{path}: {error}"))
}

async fn ask_share_info(http: &Http, origin: &str) -> Result<u16, String> {
    let mut call = Call::new(Method::POST, url(origin, "/index.php/apps/files_sharing/shareinfo?t=self-test")?);
    call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    call.body = b"password=&depth=0".as_slice().into();
    Ok(http.ask(call).await.map_err(|error| error.to_string())?.status)
}
