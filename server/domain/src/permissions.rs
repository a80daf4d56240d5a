//! The permission letters clients go by (ownCloud's, with Nextcloud's `G`): [`Membership::may`] in one word.

use crate::{Action, Item, Membership};
use stitchbox_schema::SpaceKind;

impl Membership {
    /// The letters of an item: `R` reshare, `M` mount root, `G` readable, `D` delete, `N` rename, `V` move, `W` write
    /// content, `C` and `K` make files and folders inside.
    #[must_use]
    pub fn letters(&self, item: &Item) -> String {
        let may = |action| self.may(action, item).is_ok();
        let folder = item.is_folder();
        let shows = [
            (may(Action::Create) || may(Action::Delete), "R"),
            (self.is_mount_root(item), "M"),
            (true, "G"),
            (may(Action::Delete), "D"),
            (may(Action::Move), "NV"),
            (!folder && may(Action::Write), "W"),
            (folder && may(Action::Create), "CK"),
        ];
        shows.into_iter().filter_map(|(shown, letters)| shown.then_some(letters)).collect()
    }

    /// Whether the item is the root of a space that is not the person's own.
    #[must_use]
    pub fn is_mount_root(&self, item: &Item) -> bool {
        item.id == self.top() && (self.via.is_some() || self.space.kind != SpaceKind::Personal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ItemKind, Scope, Space};
    use stitchbox_schema::{Cursor, ItemId, Role, RunId, SpaceId, Timestamp, VersionId};

    fn member(role: Role, kind: SpaceKind) -> Membership {
        let space = Space {
            id: SpaceId(1),
            name: "s".to_owned(),
            kind,
            owner: None,
            root: ItemId(1),
            quota: None,
            default_recipe: None,
            created_at: Timestamp(0),
        };
        Membership { space, role, scope: Scope::default(), via: None }
    }

    fn item(folder: bool, parent: Option<i64>, run: Option<i64>) -> Item {
        Item {
            id: ItemId(2),
            space: SpaceId(1),
            parent: parent.map(ItemId),
            name: "x".to_owned(),
            kind: if folder { ItemKind::Folder } else { ItemKind::File },
            version: (!folder).then_some(VersionId(3)),
            size: 0,
            mtime: Timestamp(0),
            last_change: Cursor(1),
            run: run.map(RunId),
            created_at: Timestamp(0),
            rights: None,
        }
    }

    #[test]
    fn letters_follow_role_and_item() {
        let own = member(Role::Manager, SpaceKind::Personal);
        assert_eq!(own.letters(&item(true, Some(1), None)), "RGDNVCK");
        assert_eq!(own.letters(&item(false, Some(1), None)), "RGDNVW");
        assert_eq!(own.letters(&item(true, None, None)), "RGCK");
        let project = member(Role::Editor, SpaceKind::Project);
        assert_eq!(project.letters(&item(true, None, None)), "RMGCK");
        assert_eq!(member(Role::Viewer, SpaceKind::Project).letters(&item(true, Some(1), None)), "G");
    }

    #[test]
    fn what_a_run_wrote_may_be_deleted_and_nothing_else() {
        let own = member(Role::Manager, SpaceKind::Personal);
        assert_eq!(own.letters(&item(true, Some(1), Some(9))), "RGD");
        assert_eq!(own.letters(&item(false, Some(1), Some(9))), "RGD");
    }
}
