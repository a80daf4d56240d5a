//! Which form of a share a peer takes: the choice rule of facts section 3, as a pure function of its discovery document.

use serde::{Deserialize, Serialize};

use crate::wire::{Discovery, ResourceType, ShareType};

/// The two forms of `protocol` in a share; no peer takes both of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `name: webdav` with the secret in `options`: Nextcloud up to 34, ownCloud 10.
    Legacy,
    /// `name: multi` with a `webdav` object: reva, oCIS, OpenCloud, strict 1.4, Nextcloud 35.
    Multi,
}

/// How signatures are written for a peer. Both use the header `Signature`: one of them per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signing {
    /// draft-cavage with RSA.
    Cavage,
    /// RFC 9421 with Ed25519.
    Message,
}

/// Everything that differs between two ways of writing the same share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Form of `protocol`.
    pub form: Form,
    /// `folder` only to those that list it.
    pub resource_type: ResourceType,
    /// `"options": {}` beside the `webdav` object: reva and oCIS want it, strict 1.4 refuses it.
    pub empty_options: bool,
    /// The URL under the old key `url` too.
    pub url_beside_uri: bool,
    /// Requirement `must-exchange-token`.
    pub must_exchange_token: bool,
}

/// How to write a share for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// What to send first.
    pub first: Shape,
    /// What to send once more after 400 or 501; `None` where falling back would give away what was demanded.
    pub fallback: Option<Shape>,
    /// The peer takes shares only from people it was invited by or has invited.
    pub must_invite: bool,
}

/// Why nothing can be shared with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotShare {
    /// Federation is switched off there.
    #[error("the site has federation switched off")]
    SwitchedOff,
    /// It takes no shares to groups.
    #[error("the site takes no shares to groups")]
    NoGroups,
    /// It lists types of resources, and files are not among them.
    #[error("the site takes neither files nor folders")]
    NoFiles,
}

/// The choice rule: apiVersion beginning `1.0` is answered in the legacy form, all others in the new one, with one try of
/// the other form after 400 or 501.
///
/// # Errors
/// What the peer does not take at all.
pub fn choose(peer: &Discovery, resource: ResourceType, share_type: ShareType) -> Result<Choice, CannotShare> {
    if !peer.enabled {
        return Err(CannotShare::SwitchedOff);
    }
    let listed = peer.kind(resource);
    let kind = listed.or_else(|| peer.kind(ResourceType::File));
    if kind.is_none() && !peer.resource_types.is_empty() {
        return Err(CannotShare::NoFiles);
    }
    let share_types = kind.map(|kind| kind.share_types.as_slice()).unwrap_or_default();
    if share_type == ShareType::Group && !share_types.is_empty() && !share_types.iter().any(|name| name == "group") {
        return Err(CannotShare::NoGroups);
    }
    let must_exchange_token = peer.demands("must-exchange-token");
    let (major, minor) = version(peer);
    let shape = |form| Shape {
        form,
        resource_type: if listed.is_some() { resource } else { ResourceType::File },
        must_exchange_token,
        ..offer_shape(peer)
    };
    let (first, other) =
        if (major, minor) == (1, 0) { (Form::Legacy, Form::Multi) } else { (Form::Multi, Form::Legacy) };
    // a demand to exchange can be said in the new form only, and the old one would give the secret away
    let first = if must_exchange_token { Form::Multi } else { first };
    Ok(Choice {
        first: shape(first),
        fallback: (!must_exchange_token).then(|| shape(other)),
        must_invite: peer.demands("must-invite"),
    })
}

/// How an offer is written in a notification (SHARE_CHANGE_PERMISSION), which oCIS alone reads: always in the new form.
pub(crate) fn offer_shape(peer: &Discovery) -> Shape {
    let version = version(peer);
    Shape {
        form: Form::Multi,
        resource_type: ResourceType::File,
        empty_options: version < (1, 4),
        url_beside_uri: version == (1, 1),
        must_exchange_token: peer.demands("must-exchange-token"),
    }
}

/// How to sign for a peer (facts section 8.3): RFC 9421 for those that say so and where keys can be compared, else
/// draft-cavage, which others ignore.
#[must_use]
pub fn signing(peer: &Discovery) -> Signing {
    let wants = peer.can("http-sig") || peer.demands("must-use-http-sig");
    if wants && peer.jwks_uri.is_some() { Signing::Message } else { Signing::Cavage }
}

/// Major and minor of `apiVersion` (only this key: Nextcloud 34 says 1.1.0 in `version` and takes the legacy form only).
fn version(peer: &Discovery) -> (u32, u32) {
    let mut parts = peer.api_version.split(['.', '-']).map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)),
        // tells none: as new as the rule's "else"
        (None, _) => (1, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peer(api_version: &str, types: &[&str], criteria: &[&str]) -> Discovery {
        let types: Vec<_> =
            types.iter().map(|name| json!({"name": name, "shareTypes": ["user"], "protocols": {}})).collect();
        let document = json!({"endPoint": "https://h/ocm", "apiVersion": api_version, "resourceTypes": types, "criteria": criteria});
        Discovery::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_choice_rule_as_a_table() {
        use Form::{Legacy, Multi};
        // apiVersion -> form first, empty options, url beside uri
        for (version, form, empty_options, url) in [
            ("1.0", Legacy, true, false),
            ("1.0-proposal1", Legacy, true, false),
            ("1.0.2", Legacy, true, false),
            ("1.1.0", Multi, true, true),
            ("1.1", Multi, true, true),
            ("1.2.0", Multi, true, false),
            ("1.3.0", Multi, true, false),
            ("1.4.0", Multi, false, false),
            ("1.10.0", Multi, false, false),
            ("2.0", Multi, false, false),
            ("", Multi, true, false),
            ("latest", Multi, true, false),
        ] {
            let choice = choose(&peer(version, &["file"], &[]), ResourceType::Folder, ShareType::User).unwrap();
            assert_eq!(
                (choice.first.form, choice.first.empty_options, choice.first.url_beside_uri),
                (form, empty_options, url),
                "{version}"
            );
            let other = choice.fallback.unwrap();
            assert_ne!(other.form, form, "{version}");
            // a folder is called a file where folders are not listed
            assert_eq!(choice.first.resource_type, ResourceType::File);
        }
    }

    #[test]
    fn what_a_peer_demands_is_kept_in_every_form() {
        let strict = choose(
            &peer("1.0", &["file", "folder"], &["/Must-Exchange-Token", "must-invite"]),
            ResourceType::Folder,
            ShareType::User,
        )
        .unwrap();
        assert_eq!(strict.first.form, Form::Multi);
        assert!(strict.first.must_exchange_token && strict.fallback.is_none() && strict.must_invite);
        assert_eq!(strict.first.resource_type, ResourceType::Folder);
    }

    #[test]
    fn what_a_peer_does_not_take_is_said_before_it_is_sent() {
        let refused = |peer: &Discovery, share_type| choose(peer, ResourceType::File, share_type).unwrap_err();
        assert_eq!(refused(&peer("1.2", &["file"], &[]), ShareType::Group), CannotShare::NoGroups);
        assert_eq!(refused(&peer("1.2", &["calendar"], &[]), ShareType::User), CannotShare::NoFiles);
        let mut off = peer("1.2", &["file"], &[]);
        off.enabled = false;
        assert_eq!(refused(&off, ShareType::User), CannotShare::SwitchedOff);
        assert!(choose(&peer("1.2", &[], &[]), ResourceType::File, ShareType::Group).is_ok());
    }

    #[test]
    fn signatures_of_the_new_kind_need_a_key_set() {
        let with = |extra: serde_json::Value| {
            let mut document = json!({"endPoint": "https://h/ocm"});
            document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            signing(&Discovery::parse(document.to_string().as_bytes()).unwrap())
        };
        assert_eq!(with(json!({})), Signing::Cavage);
        assert_eq!(with(json!({"capabilities": ["http-sig"]})), Signing::Cavage);
        assert_eq!(with(json!({"jwksUri": "https://h/jwks"})), Signing::Cavage);
        assert_eq!(with(json!({"capabilities": ["/HTTP-Sig"], "jwksUri": "https://h/jwks"})), Signing::Message);
        assert_eq!(with(json!({"criteria": ["must-use-http-sig"], "jwksUri": "https://h/jwks"})), Signing::Message);
    }
}
