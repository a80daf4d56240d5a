//! A share as OCS writes it.

use super::word;
use crate::address::OwnAddress;
use serde_json::{Value, json};
use stitchbox_domain::Principal;
use stitchbox_schema::Timestamp;
use stitchbox_schema::sharing::{ShareDocument, ShareKind};

/// What stands for the password of a link.
const HIDDEN: &str = "***";

/// The fields clients of Nextcloud read (facts/sync.md, section 6).
pub(crate) fn of(share: &ShareDocument, principal: &Principal, own: &OwnAddress) -> Value {
    let is_mine = share.grantor.name == principal.name;
    let is_folder = share.item_kind == "folder";
    let path = share.shown_at.clone().unwrap_or_else(|| format!("/{}", share.name));
    let target = if is_mine { format!("/{}", share.name) } else { path.clone() };
    let url = share.link.as_ref().map(|link| format!("{}/index.php{link}", own.base()));
    let password = share.has_password.then_some(HIDDEN);
    let (with, with_display) = match &share.grantee {
        Some(grantee) => (Some(grantee.name.as_str()), Some(grantee.display_name.as_str())),
        // Of a link it is the password, as ever.
        None => (password, password.map(|_| "(Shared link)")),
    };
    let mut document = json!({
        "id": share.id,
        "share_type": word::of(share),
        "uid_owner": share.grantor.name,
        "displayname_owner": share.grantor.display_name,
        "permissions": share.bits(),
        "can_edit": share.may_change,
        "can_delete": true,
        "stime": share.created_at.unix_seconds(),
        "parent": share.parent,
        "expiration": share.expires_at.map(day),
        "token": share.token,
        "uid_file_owner": share.owner.name,
        "displayname_file_owner": share.owner.display_name,
        "note": share.note,
        "label": share.label,
        "path": path,
        "item_type": share.item_kind,
        "item_permissions": share.bits(),
        "mimetype": if is_folder { "httpd/unix-directory" } else { "application/octet-stream" },
        "has_preview": false,
        "storage_id": format!("home::{}", share.owner.name),
        "storage": share.space.0,
        "item_source": share.item.0,
        "file_source": share.item.0,
        "file_parent": share.item_folder.map(|folder| folder.0),
        "file_target": target,
        "item_size": share.size,
        "item_mtime": share.modified_at.unix_seconds(),
        "share_with": with,
        "share_with_displayname": with_display,
        "status": [],
        "mail_send": 0,
        "hide_download": 0,
        "attributes": null,
    });
    if share.kind == ShareKind::Link {
        document["name"] = json!(share.label);
        document["password"] = json!(password);
        document["send_password_by_talk"] = json!(false);
        document["url"] = json!(url);
    }
    if let Some(delivery) = &share.delivery {
        document["accepted"] = json!(delivery.state == "accepted");
        document["delivery"] = json!({"state": delivery.state, "answer": delivery.answer});
    }
    document
}

/// The last day, with the midnight that clients expect after it.
fn day(end: Timestamp) -> String {
    format!("{} 00:00:00", end.rfc3339().get(..10).unwrap_or_default())
}
