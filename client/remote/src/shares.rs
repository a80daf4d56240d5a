//! Giving access, seeing who has it, and taking it back: shares of the JSON interface.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::{Place, Tree, child};
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest answer, bytes.
const LIMIT: usize = 32 << 20;

/// A share to be made; what is empty or `None` is left to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewShare {
    /// Id or name of a space, or the id of a share through which the item is seen.
    pub space: String,
    /// Path below its root, beginning with `/`.
    pub path: String,
    /// `user`, `group`, `link`, `federated` or `federated_group`.
    pub kind: String,
    /// Who gets it; of a link nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// `viewer`, `contributor`, `editor` or `manager`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A link for uploads alone.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
    /// What a link asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A day, or an instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What it is called by who makes it.
    pub label: String,
    /// What it says to who gets it.
    pub note: String,
}

/// Somebody, as the server tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Login name, name of a group, or `name@server`.
    pub name: String,
    /// Name for people.
    #[serde(default)]
    pub display_name: String,
}

/// A share as the server tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its id.
    pub id: String,
    /// `user`, `group`, `link` or `federated`.
    pub kind: String,
    /// Name of what is shared.
    pub name: String,
    /// Path in the space.
    pub path: Option<String>,
    /// Path below one's own files.
    pub shown_at: Option<String>,
    /// Who made it.
    pub grantor: Person,
    /// Who got it.
    pub grantee: Option<Person>,
    /// What may be done.
    pub role: String,
    /// A link for uploads alone.
    pub upload_only: bool,
    /// Until when.
    pub expires_at: Option<String>,
    /// The page of a link, below the server's address.
    pub link: Option<String>,
    /// Whether a link asks for a password.
    pub has_password: bool,
    /// Whether one hid it.
    pub hidden: bool,
    /// What else the server tells.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Share {
    /// The whole address of a link's page.
    pub fn url(&self, server: &Url) -> Option<Url> {
        let link = self.link.as_deref()?;
        Some(child(server, link.split('/')))
    }

    /// How it fares on its way to another server, such as `pending`.
    pub fn delivery(&self) -> Option<&str> {
        self.more.get("delivery")?.get("state")?.as_str()
    }
}

/// A member of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    #[serde(flatten)]
    pub person: Person,
    /// What the member may do.
    pub role: String,
}

/// Everybody who has access to something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Members of the space.
    pub members: Vec<Member>,
    /// Shares on it and above.
    pub shares: Vec<Share>,
    /// Shares of what lies below.
    pub below: Vec<Share>,
}

#[derive(Deserialize)]
struct Shares {
    shares: Vec<Share>,
}

impl Connection {
    fn shares_url(&self, id: &[&str]) -> Url {
        child(self.server(), ["api", "v1", "shares"].into_iter().chain(id.iter().copied()))
    }

    /// The space (or share) and the path in it by which the JSON interface knows a place; `None` if the user sees no such
    /// space.
    ///
    /// # Errors
    /// Network, refusals, and servers without the interface (404).
    pub async fn place_of(&self, place: &Place) -> Result<Option<(String, String)>, WireError> {
        let Some(space) = self.space_of(place).await? else {
            // the id of a share stands for what it shows
            let Tree::Space(id) = &place.tree else { return Ok(None) };
            return Ok(Some((id.clone(), format!("/{}", place.path))));
        };
        let wanted = format!("/{}", place.path);
        if space.kind == "personal" && wanted.starts_with("/Shares/") {
            for share in self.shares_got().await? {
                let shown = share.shown_at.as_deref().unwrap_or_default();
                if let Some(below) = wanted.strip_prefix(shown).filter(|_| !shown.is_empty())
                    && (below.is_empty() || below.starts_with('/'))
                {
                    return Ok(Some((share.id, if below.is_empty() { "/".to_owned() } else { below.to_owned() })));
                }
            }
            return Err(WireError::NotThere);
        }
        Ok(Some((space.id, wanted)))
    }

    /// Makes a share; `None` where the owner at another site was asked to make it.
    ///
    /// # Errors
    /// Network, and refusals with the server's reason.
    pub async fn share(&self, new: &NewShare) -> Result<Option<Share>, WireError> {
        let answer = self.answer(self.request("POST", &self.shares_url(&[])).json(new)).await?;
        if answer.status().as_u16() == 202 {
            return Ok(None);
        }
        read(&bounded_text(answer, LIMIT).await, "no share").map(Some)
    }

    /// What the user shares.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn shares_made(&self) -> Result<Vec<Share>, WireError> {
        self.listed(self.shares_url(&[])).await
    }

    /// What is shared with the user.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn shares_got(&self) -> Result<Vec<Share>, WireError> {
        let mut url = self.shares_url(&[]);
        url.query_pairs_mut().append_pair("with_me", "true");
        self.listed(url).await
    }

    async fn listed(&self, url: Url) -> Result<Vec<Share>, WireError> {
        let text = bounded_text(self.get(&url, &[]).await?, LIMIT).await;
        read::<Shares>(&text, "no list of shares").map(|list| list.shares)
    }

    /// Everybody who has access to an item of a space.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn access(&self, space: &str, path: &str) -> Result<Access, WireError> {
        let mut url = child(self.server(), ["api", "v1", "access"]);
        url.query_pairs_mut().extend_pairs([("space", space), ("path", path)]);
        read(&bounded_text(self.get(&url, &[]).await?, LIMIT).await, "no list of access")
    }

    /// Changes a share: the fields of the document that are to change, `null` for what is taken away.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn change_share(&self, id: &str, change: &Map<String, Value>) -> Result<Share, WireError> {
        let answer = self.answer(self.request("PATCH", &self.shares_url(&[id])).json(change)).await?;
        read(&bounded_text(answer, LIMIT).await, "no share")
    }

    /// Ends a share for everybody.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn revoke_share(&self, id: &str) -> Result<(), WireError> {
        self.answer(self.request("DELETE", &self.shares_url(&[id]))).await.map(drop)
    }

    /// Takes a share out of the user's own folder `Shares`.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn leave_share(&self, id: &str) -> Result<(), WireError> {
        self.answer(self.request("POST", &self.shares_url(&[id, "leave"]))).await.map(drop)
    }
}

fn read<T: for<'de> Deserialize<'de>>(text: &str, what: &'static str) -> Result<T, WireError> {
    serde_json::from_str(text).map_err(|_| WireError::Malformed(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"id":"7","kind":"link","name":"kb","path":"/kb","shown_at":"/kb","grantor":{"name":"ada"},
        "grantee":null,"role":"viewer","upload_only":false,"expires_at":null,"link":"/s/abc","has_password":true,
        "hidden":false,"delivery":{"state":"pending"},"etag":"\"x\""}"#;

    #[test]
    fn a_share_is_understood_and_printed_in_full() {
        let share: Share = read(TOLD, "x").unwrap();
        let server = Url::parse("https://h/sub/").unwrap();
        assert_eq!(share.url(&server).unwrap().as_str(), "https://h/sub/s/abc");
        assert_eq!(share.delivery(), Some("pending"));
        assert_eq!(serde_json::to_value(&share).unwrap()["etag"], "\"x\"");
        assert!(read::<Share>("<html>", "x").is_err());
    }
}
