//! The permission letters clients go by (ownCloud's, with Nextcloud's `G`): [`Membership::may`] in one word.

use crate::{Action, Item, Membership, Via};
use stitchbox_schema::{Role, SpaceKind};
use stitchbox_store::share_access::ShareKind;

impl Membership {
    /// The letters of an item: `S` shared with me, `R` reshare, `M` mount root, `G` readable, `D` delete, `N` rename,
    /// `V` move, `W` write content, `C` and `K` make files and folders inside.
    ///
    /// A peer or a visitor of a link gets neither `S` nor `M` (facts/ocm.md, 5.3). The top of what a person was given may
    /// be renamed and left in her folder of shares; the top of what a peer sees may be so there, which never reaches us.
    #[must_use]
    pub fn letters(&self, item: &Item) -> String {
        let may = |action| self.may(action, item).is_ok();
        let folder = item.is_folder();
        let is_top = item.id == self.top();
        let mounted = self.via.as_ref().is_some_and(Via::is_mounted);
        let outside = self.via.is_some() && !mounted && self.role >= Role::Editor && !self.scope.create_only;
        let own_entry = is_top && (mounted || outside || self.space.kind == SpaceKind::Received);
        let shows = [
            (mounted, "S"),
            (self.may_share(), "R"),
            (self.is_mount_root(item), "M"),
            (!self.via.as_ref().is_some_and(|via| via.upload_only), "G"),
            (own_entry || may(Action::Delete), "D"),
            (own_entry || may(Action::Move), "NV"),
            (!folder && may(Action::Write), "W"),
            (folder && may(Action::Create), "CK"),
        ];
        shows.into_iter().filter_map(|(shown, letters)| shown.then_some(letters)).collect()
    }

    /// Whether the person may share what she sees here with others.
    #[must_use]
    pub fn may_share(&self) -> bool {
        if self.scope.create_only {
            return false;
        }
        match &self.via {
            // A link is nobody's to pass on.
            Some(via) if via.kind == ShareKind::Link => false,
            Some(via) => via.may_reshare || self.role == Role::Manager,
            None => self.space.kind != SpaceKind::Received && self.role >= Role::Editor,
        }
    }

    /// What may be done with an item, as the bits of OCS: 1 read, 2 update, 4 create, 8 delete, 16 share.
    #[must_use]
    pub fn share_bits(&self, item: &Item) -> u8 {
        let may = |action| self.may(action, item).is_ok();
        let is_top = item.id == self.top();
        let deletes = may(Action::Delete) || is_top && self.role >= Role::Editor && !self.scope.create_only;
        let shows = [
            (!self.scope.create_only, 1),
            (may(Action::Write), 2),
            (item.is_folder() && may(Action::Create), 4),
            (item.is_folder() && deletes, 8),
            (self.may_share(), 16),
        ];
        shows.into_iter().filter_map(|(shown, bit)| shown.then_some(bit)).sum()
    }

    /// Whether the item is the root of a space that is not the person's own.
    #[must_use]
    pub fn is_mount_root(&self, item: &Item) -> bool {
        self.via.is_none() && item.id == self.space.root && self.space.kind != SpaceKind::Personal
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
            id: ItemId(if parent.is_some() { 2 } else { 1 }),
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

    /// Of a shared folder (item 2), of a folder and of a file below it.
    fn by_share(kind: ShareKind, role: Role, may_reshare: bool) -> [String; 3] {
        let path = crate::ItemPath::parse("/x").unwrap();
        let via =
            Via { share: stitchbox_schema::ShareId(5), kind, top: ItemId(2), path, upload_only: false, may_reshare };
        let seen = Membership { via: Some(via), ..member(role, SpaceKind::Personal) };
        let below = |folder| Item { id: ItemId(3), ..item(folder, Some(2), None) };
        [seen.letters(&item(true, Some(1), None)), seen.letters(&below(true)), seen.letters(&below(false))]
    }

    #[test]
    fn what_is_shared_with_a_person_may_be_renamed_and_left_at_its_top() {
        assert_eq!(by_share(ShareKind::User, Role::Viewer, false), ["SGDNV", "SG", "SG"]);
        assert_eq!(by_share(ShareKind::Group, Role::Contributor, true), ["SRGDNVCK", "SRGCK", "SRG"]);
        assert_eq!(by_share(ShareKind::User, Role::Editor, false), ["SGDNVCK", "SGDNVCK", "SGDNVW"]);
        assert_eq!(by_share(ShareKind::User, Role::Manager, false), ["SRGDNVCK", "SRGDNVCK", "SRGDNVW"]);
    }

    /// The letters a receiving Nextcloud was measured with (facts/ocm.md, 5.3).
    #[test]
    fn a_peer_sees_neither_s_nor_m() {
        assert_eq!(by_share(ShareKind::Federated, Role::Viewer, false), ["G", "G", "G"]);
        assert_eq!(by_share(ShareKind::Federated, Role::Viewer, true), ["RG", "RG", "RG"]);
        assert_eq!(by_share(ShareKind::Federated, Role::Editor, false), ["GDNVCK", "GDNVCK", "GDNVW"]);
        assert_eq!(by_share(ShareKind::Federated, Role::Contributor, false), ["GCK", "GCK", "G"]);
        assert_eq!(
            by_share(ShareKind::Link, Role::Editor, true),
            ["GDNVCK", "GDNVCK", "GDNVW"],
            "nobody passes a link on"
        );
    }
}
