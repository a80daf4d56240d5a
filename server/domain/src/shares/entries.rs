//! The entries by which people see what is shared with them: rows of the folder `Shares`.

use super::Acting;
use crate::Error;
use stitchbox_schema::{ShareId, Timestamp, UserId};
use stitchbox_store::changes::{self, ChangeKind, NewChange};
use stitchbox_store::shares::Share;
use stitchbox_store::shares_folder::{self, SharesEntry};
use stitchbox_store::{Connection, Tx, groups, items, spaces};

/// Longest name, bytes.
const LONGEST: usize = stitchbox_schema::MAX_ITEM_NAME_BYTES;
/// Names that are tried before giving up.
const MOST_TRIED: u32 = 10_000;

/// The name itself, or with a number in front of its extension; cut so that it fits.
pub(crate) fn numbered(name: &str, is_folder: bool, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !is_folder && !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let end = format!(" ({number}){extension}");
    let mut kept = stem.len().min(LONGEST.saturating_sub(end.len()));
    while !stem.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{end}", stem.get(..kept).unwrap_or_default())
}

/// A name that is free in somebody's folder `Shares`: the one wished for, or with a number.
pub(crate) async fn free_name(db: &mut Connection, user: UserId, wish: &str, is_folder: bool) -> Result<String, Error> {
    for number in 1..MOST_TRIED {
        let name = numbered(wish, is_folder, number);
        if !shares_folder::is_taken(db, user, &name).await? {
            return Ok(name);
        }
    }
    Err(Error::Exists)
}

/// What a user sees at the top of their files changed, though none of their own did: moves the ETag there, and lets
/// clients hear of it.
pub(crate) async fn touch_files(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), Error> {
    let Some(space) = spaces::personal_of(tx, user).await? else { return Ok(()) };
    let change = NewChange {
        space: space.id,
        item: space.root,
        folder: space.root,
        old_folder: None,
        kind: ChangeKind::Touched,
        name: "",
        run: None,
        actor: None,
        at: now,
        size_delta: 0,
    };
    changes::append(tx, &change).await?;
    Ok(())
}

/// Everybody who sees a share by an entry of their own: the user, or the members of the group; never who made it or whose
/// it is.
async fn audience(db: &mut Connection, share: &Share) -> Result<Vec<UserId>, Error> {
    let mut users: Vec<UserId> = share.user.into_iter().collect();
    if let Some(group) = share.group {
        users.extend(groups::members(db, group).await?.iter().map(|user| user.id));
    }
    let owner = spaces::by_id(db, share.space).await?.and_then(|space| space.owner);
    users.retain(|user| *user != share.grantor && Some(*user) != owner);
    Ok(users)
}

/// Shows a share to everybody it is for.
pub(super) async fn show_to_all(tx: &mut Tx, acting: &Acting, share: &Share) -> Result<(), Error> {
    for user in audience(tx, share).await? {
        show_to(tx, acting, share, user).await?;
    }
    Ok(())
}

/// Shows a share to one user it is for, who may see it already.
pub(super) async fn show_to(tx: &mut Tx, acting: &Acting, share: &Share, user: UserId) -> Result<(), Error> {
    if !audience(tx, share).await?.contains(&user) || shares_folder::of_share(tx, share.id, user).await?.is_some() {
        return Ok(());
    }
    let item = items::by_id(tx, share.item).await?.ok_or(Error::NotFound)?;
    let wish = match item.name.is_empty() {
        true => spaces::by_id(tx, share.space).await?.map_or_else(|| "space".to_owned(), |space| space.name),
        false => item.name.clone(),
    };
    let name = free_name(tx, user, &wish, item.is_folder()).await?;
    let entry = SharesEntry { user, name, share: Some(share.id), space: None, hidden: false, created_at: acting.now };
    shares_folder::insert(tx, &entry).await?;
    touch_files(tx, user, acting.now).await
}

/// Takes a share out of everybody's folder.
pub(super) async fn hide_from_all(tx: &mut Tx, share: ShareId, now: Timestamp) -> Result<(), Error> {
    let users = shares_folder::users_of_share(tx, share).await?;
    shares_folder::remove_share(tx, share).await?;
    for user in users {
        touch_files(tx, user, now).await?;
    }
    Ok(())
}

/// Takes a share out of one user's folder.
pub(super) async fn hide_from(tx: &mut Tx, share: ShareId, user: UserId, now: Timestamp) -> Result<(), Error> {
    if shares_folder::remove_of_user(tx, share, user).await? {
        touch_files(tx, user, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_the_extension_of_a_file() {
        assert_eq!(numbered("mirror.v2", true, 2), "mirror.v2 (2)");
        assert_eq!(numbered("height.h5", false, 3), "height (3).h5");
        assert_eq!(numbered(".hidden", false, 2), ".hidden (2)");
        assert_eq!(numbered("x", false, 1), "x");
        let long = numbered(&"ü".repeat(127), true, 12);
        assert!(long.len() <= LONGEST && long.ends_with("ü (12)"), "{long}");
    }
}
