//! What an administrator can order, and doing it. The command line sends an order to the running server through its
//! local socket, or performs it itself where no server runs: the same function either way.

use crate::config::Size;
use crate::peer_orders::{FederationOrder, PeerOrder, carry_out_federation, carry_out_peer};
use serde::{Deserialize, Serialize};
use std::fmt;
use stitchbox_domain::{AppPassword, AuditQuery, Domain, Error, NewSpace, NewUser, Quota, Space, User};
use stitchbox_schema::sharing::{AuditDocument, GroupDocument};
use stitchbox_schema::{AppPasswordId, ItemId, Role, ShareId, SpaceKind, Timestamp};

/// Who orders, in the audit.
const BY: &str = "administrator";

/// An order.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Make a user with a personal space.
    AddUser {
        /// Login name.
        name: String,
        /// Name for people; empty for the login name.
        display_name: String,
        /// Account password.
        password: Option<String>,
        /// Marked as one that will administer over the web.
        admin: bool,
    },
    /// List the users.
    ListUsers,
    /// Change an account password.
    SetPassword {
        /// Login name.
        user: String,
        /// The new one.
        password: String,
    },
    /// Lock a user out, or let the user in again.
    SetDisabled {
        /// Login name.
        user: String,
        /// Out or in.
        disabled: bool,
    },
    /// Make a project space.
    AddSpace {
        /// Its name.
        name: String,
        /// Login name of its first manager.
        manager: Option<String>,
        /// Most bytes it may hold.
        quota: Option<i64>,
    },
    /// List the spaces.
    ListSpaces,
    /// Make a user a member, change the role, or end the membership.
    SetMember {
        /// Name of the project space.
        space: String,
        /// Login name.
        user: String,
        /// `None` ends it.
        role: Option<Role>,
    },
    /// Change a quota.
    SetQuota {
        /// Name of a project space, or of a user for the personal one.
        space: String,
        /// `None`: unlimited.
        quota: Option<i64>,
    },
    /// Make an app password.
    AddAppPassword {
        /// Login name.
        user: String,
        /// What it is for.
        label: String,
        /// The only space it opens.
        space: Option<String>,
        /// May only make new items.
        create_only: bool,
    },
    /// List the app passwords of a user.
    ListAppPasswords {
        /// Login name.
        user: String,
    },
    /// Revoke an app password.
    RevokeAppPassword {
        /// Login name.
        user: String,
        /// Which, as listed.
        id: AppPasswordId,
    },
    /// Ask the holder of an app password to remove what it has.
    WipeAppPassword {
        /// Login name.
        user: String,
        /// Which, as listed.
        id: AppPasswordId,
    },
    /// Make a group of users.
    AddGroup {
        /// Its name.
        name: String,
        /// Name for people; empty for the name.
        display_name: String,
    },
    /// List the groups with their members.
    ListGroups,
    /// Remove a group; what is shared with it ends.
    RemoveGroup {
        /// Its name.
        name: String,
    },
    /// Make a user a member of a group, or end the membership.
    SetGroupMember {
        /// Name of the group.
        group: String,
        /// Login name.
        user: String,
        /// In or out.
        member: bool,
    },
    /// Tell who gave, used and took back access.
    Audit {
        /// Of one item.
        item: Option<ItemId>,
        /// Of one share.
        share: Option<ShareId>,
        /// Not before, nanoseconds since 1970.
        since: Option<i64>,
        /// At most so many rows.
        limit: i64,
    },
    /// About another site.
    Peer(PeerOrder),
    /// About this site as one of the federation.
    Federation(FederationOrder),
    /// Check every blob and the whole tree.
    Verify,
    /// The database was restored from a backup: tell every client.
    Restored,
}

impl Order {
    /// Whether it may be the first thing that happens in a data folder. Others mistake a mistyped folder for an empty one.
    #[must_use]
    pub fn may_be_first(&self) -> bool {
        matches!(self, Self::AddUser { .. } | Self::AddSpace { .. })
    }
}

/// Passwords stay out of logs.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddUser { .. } => "AddUser",
            Self::ListUsers => "ListUsers",
            Self::SetPassword { .. } => "SetPassword",
            Self::SetDisabled { .. } => "SetDisabled",
            Self::AddSpace { .. } => "AddSpace",
            Self::ListSpaces => "ListSpaces",
            Self::SetMember { .. } => "SetMember",
            Self::SetQuota { .. } => "SetQuota",
            Self::AddAppPassword { .. } => "AddAppPassword",
            Self::ListAppPasswords { .. } => "ListAppPasswords",
            Self::RevokeAppPassword { .. } => "RevokeAppPassword",
            Self::WipeAppPassword { .. } => "WipeAppPassword",
            Self::AddGroup { .. } => "AddGroup",
            Self::ListGroups => "ListGroups",
            Self::RemoveGroup { .. } => "RemoveGroup",
            Self::SetGroupMember { .. } => "SetGroupMember",
            Self::Audit { .. } => "Audit",
            // No secrets in these.
            Self::Peer(order) => return write!(f, "Peer({order:?})"),
            Self::Federation(order) => return write!(f, "Federation({order:?})"),
            Self::Verify => "Verify",
            Self::Restored => "Restored",
        })
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done(Report),
    /// It was not done, and why. Nothing was changed.
    Refused(String),
}

/// What to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Lines for standard output.
    pub lines: Vec<String>,
    /// Lines for the person at the terminal, on standard error.
    pub remarks: Vec<String>,
    /// Something is not as it should be: the exit code says so.
    pub problems: bool,
}

impl Report {
    fn line(line: String) -> Self {
        Self { lines: vec![line], ..Self::default() }
    }

    fn remark(line: String) -> Self {
        Self { remarks: vec![line], ..Self::default() }
    }
}

/// Does what was ordered.
pub async fn perform(domain: &Domain, order: Order) -> Outcome {
    let asked = order.clone();
    match carry_out(domain, order).await {
        Ok(report) => Outcome::Done(report),
        Err(error) => Outcome::Refused(explain(domain, &asked, &error).await),
    }
}

async fn carry_out(domain: &Domain, order: Order) -> Result<Report, Error> {
    match order {
        Order::AddUser { name, display_name, password, admin } => {
            let logs_in = password.is_some();
            let user = domain.add_user(NewUser { name, display_name, password, is_admin: admin }).await?;
            let how = if logs_in { "" } else { ", without an account password: give it an app password" };
            Ok(Report::remark(format!("user {} made{how}", user.name)))
        }
        Order::ListUsers => {
            Ok(Report { lines: domain.users().await?.iter().map(user_line).collect(), ..Report::default() })
        }
        Order::SetPassword { user, password } => {
            domain.set_password(&user, &password).await?;
            Ok(Report::remark(format!("the password of {user} is changed")))
        }
        Order::SetDisabled { user, disabled } => {
            domain.set_disabled(&user, disabled).await?;
            let state = if disabled { "disabled" } else { "enabled" };
            Ok(Report::remark(format!("user {user} is {state}")))
        }
        Order::AddSpace { name, manager, quota } => {
            let has_manager = manager.is_some();
            let space = domain.add_space(NewSpace { name, manager, quota }).await?;
            let hint = match has_manager {
                true => String::new(),
                false => format!("; let people in with: space member \"{}\" USER editor", space.name),
            };
            Ok(Report::remark(format!("space {} made{hint}", space.name)))
        }
        Order::ListSpaces => {
            Ok(Report { lines: domain.spaces().await?.iter().map(space_line).collect(), ..Report::default() })
        }
        Order::SetMember { space, user, role } => {
            domain.set_member(&space, &user, role).await?;
            let what = role.map_or_else(|| "no member".to_owned(), |role| role.to_string());
            Ok(Report::remark(format!("{user} is {what} of {space}")))
        }
        Order::SetQuota { space, quota } => {
            domain.set_quota(&space, quota).await?;
            Ok(Report::remark(format!("the quota of {space} is {}", limit(quota))))
        }
        Order::AddAppPassword { user, label, space, create_only } => {
            let (_, secret) = domain.add_app_password(&user, &label, space.as_deref(), create_only).await?;
            let remark = format!("app password for {user} made; it is shown this once");
            Ok(Report { remarks: vec![remark], ..Report::line(secret) })
        }
        Order::ListAppPasswords { user } => {
            let spaces = domain.spaces().await?;
            let listed = domain.app_passwords(&user).await?;
            Ok(Report {
                lines: listed.iter().map(|found| app_password_line(found, &spaces)).collect(),
                ..Report::default()
            })
        }
        Order::RevokeAppPassword { user, id } => {
            domain.revoke_app_password(&user, id).await?;
            Ok(Report::remark(format!("app password {id} of {user} is revoked")))
        }
        Order::WipeAppPassword { user, id } => {
            domain.wipe_app_password(&user, id).await?;
            let when = "the device removes what it has when it next comes, if its program can";
            Ok(Report::remark(format!("app password {id} of {user} opens nothing any more; {when}")))
        }
        Order::AddGroup { name, display_name } => {
            let made = domain.add_group(&name, &display_name, BY).await?;
            let hint = format!("let people in with: group member \"{}\" USER", made.name);
            Ok(Report::remark(format!("group {} made; {hint}", made.name)))
        }
        Order::ListGroups => {
            let groups = domain.groups().await?;
            let line =
                |group: &GroupDocument| format!("{}\t{}\t{}", group.name, group.display_name, group.members.join(", "));
            Ok(Report { lines: groups.iter().map(line).collect(), ..Report::default() })
        }
        Order::RemoveGroup { name } => {
            domain.remove_group(&name, BY).await?;
            Ok(Report::remark(format!("group {name} is removed; what was shared with it has ended")))
        }
        Order::SetGroupMember { group, user, member } => {
            domain.set_group_member(&group, &user, member, BY).await?;
            let what = if member { "a member" } else { "no member" };
            Ok(Report::remark(format!("{user} is {what} of {group}")))
        }
        Order::Audit { item, share, since, limit } => {
            let query = AuditQuery { item, share, since: since.map(Timestamp), before: None, limit: Some(limit) };
            let mut rows = domain.whole_audit(query).await?;
            // As a log is read.
            rows.reverse();
            Ok(Report { lines: rows.iter().map(audit_line).collect(), ..Report::default() })
        }
        Order::Peer(order) => carry_out_peer(domain, order).await,
        Order::Federation(order) => carry_out_federation(domain, order).await,
        Order::Verify => verify(domain).await,
        Order::Restored => {
            let fingerprint = domain.mark_restored().await?;
            Ok(Report::remark(format!(
                "clients are told that this server was restored from a backup (data fingerprint {fingerprint}): they \
                 compare everything once and delete nothing the backup does not know; run `verify` to find bytes that \
                 are missing"
            )))
        }
    }
}

async fn verify(domain: &Domain) -> Result<Report, Error> {
    let mut lines = Vec::new();
    let summary = domain.verify(&mut |problem| lines.push(problem.to_string())).await?;
    let bytes = Size(summary.bytes);
    lines.push(format!(
        "checked {} blobs ({bytes}) and {} items: {} problems",
        summary.blobs, summary.items, summary.problems
    ));
    Ok(Report { lines, remarks: Vec::new(), problems: summary.problems > 0 })
}

fn user_line(user: &User) -> String {
    let mut marks = Vec::new();
    if user.is_admin {
        marks.push("admin");
    }
    if user.disabled {
        marks.push("disabled");
    }
    if user.password_hash.is_none() {
        marks.push("app passwords only");
    }
    format!("{}\t{}\t{}", user.name, user.display_name, marks.join(", "))
}

fn space_line((space, quota): &(Space, Quota)) -> String {
    let used = Size(u64::try_from(quota.used).unwrap_or(0));
    format!("{}\t{}\t{used} of {}", space.name, space.kind.as_str(), limit(quota.limit))
}

fn app_password_line(found: &AppPassword, spaces: &[(Space, Quota)]) -> String {
    let space = found.space.map_or("every space", |id| {
        spaces.iter().find(|(space, _)| space.id == id).map_or("a space that is gone", |(space, _)| space.name.as_str())
    });
    let rights = if found.create_only { "create only" } else { "full" };
    let used = found.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", at.rfc3339()));
    let wipe = if found.wipe_asked_at.is_some() { "\twaits to be wiped" } else { "" };
    format!("{}\t{}\t{space}\t{rights}\t{}\t{used}{wipe}", found.id, found.label, found.created_at.rfc3339())
}

fn audit_line(row: &AuditDocument) -> String {
    let share = row.share.map_or_else(|| "-".to_owned(), |share| share.to_string());
    let client = if row.client.is_empty() { "-" } else { row.client.as_str() };
    let details = row.details.as_object().is_some_and(|fields| !fields.is_empty());
    let details = if details { format!("\t{}", row.details) } else { String::new() };
    let subject: String = row.subject.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{}\t{}\t{}\t{share}\t{subject}\t{client}{details}", row.at.rfc3339(), row.event, row.actor)
}

fn limit(quota: Option<i64>) -> String {
    quota.map_or_else(|| "unlimited".to_owned(), |bytes| Size(u64::try_from(bytes).unwrap_or(0)).to_string())
}

/// The rules speak of one thing at a time; an order names several. Says which one is meant.
async fn explain(domain: &Domain, order: &Order, error: &Error) -> String {
    match (order, error) {
        (Order::AddUser { name, .. }, Error::Exists) => format!("there is already a user {name:?}"),
        (Order::AddGroup { name, .. }, Error::Exists) => format!("there is already a group {name:?}"),
        (Order::AddSpace { name, .. }, Error::Exists) => format!("there is already a project space {name:?}"),
        (Order::RevokeAppPassword { user, id } | Order::WipeAppPassword { user, id }, Error::NotFound) => {
            match missing(domain, Some(user), None).await {
                Some(what) => what,
                None => format!("{user} has no app password {id}; `app-password list {user}` shows those there are"),
            }
        }
        (Order::Peer(_), Error::NotFound) => {
            "no such peer was ever heard of; `peer list` shows those there are".to_owned()
        }
        (_, Error::NotFound) => {
            let (user, space) = names(order);
            let what = missing(domain, user, space).await;
            what.unwrap_or_else(|| "the user is no member of this space; make it one first".to_owned())
        }
        _ => error.to_string(),
    }
}

/// User and space an order speaks of.
fn names(order: &Order) -> (Option<&str>, Option<&str>) {
    match order {
        Order::SetPassword { user, .. } | Order::SetDisabled { user, .. } | Order::ListAppPasswords { user } => {
            (Some(user), None)
        }
        Order::AddSpace { manager, .. } => (manager.as_deref(), None),
        Order::SetMember { space, user, .. } => (Some(user), Some(space)),
        Order::SetQuota { space, .. } => (None, Some(space)),
        Order::AddAppPassword { user, space, .. } => (Some(user), space.as_deref()),
        _ => (None, None),
    }
}

async fn missing(domain: &Domain, user: Option<&str>, space: Option<&str>) -> Option<String> {
    if let Some(name) = user
        && !domain.users().await.ok()?.iter().any(|user| user.name == name)
    {
        return Some(format!("there is no user {name:?}; `user list` shows those there are"));
    }
    let name = space?;
    let spaces = domain.spaces().await.ok()?;
    let named: Vec<_> = spaces.iter().filter(|(space, _)| space.name == name).collect();
    match named.as_slice() {
        [] => Some(format!("there is no space {name:?}; `space list` shows those there are")),
        [(space, _)] if space.kind == SpaceKind::Personal => {
            Some(format!("{name:?} is a personal space; it has no other members"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data_folder::DataFolder;

    fn user(name: &str) -> Order {
        Order::AddUser { name: name.to_owned(), display_name: String::new(), password: None, admin: false }
    }

    fn app_password(user: &str, space: Option<&str>) -> Order {
        let space = space.map(str::to_owned);
        Order::AddAppPassword { user: user.to_owned(), label: "rig".to_owned(), space, create_only: true }
    }

    #[tokio::test]
    async fn a_refusal_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let domain = crate::wire::open(&Config::default(), &data).await.unwrap().domain;
        let space = |name: &str| Order::AddSpace { name: name.to_owned(), manager: None, quota: Some(1 << 20) };
        for order in [user("ada"), space("ring")] {
            assert!(matches!(perform(&domain, order).await, Outcome::Done(_)));
        }
        let member =
            |space: &str, user: &str| Order::SetMember { space: space.to_owned(), user: user.to_owned(), role: None };
        for (order, words) in [
            (user("ada"), ["already", "\"ada\""]),
            (space("ring"), ["already", "\"ring\""]),
            (member("nowhere", "ada"), ["no space", "\"nowhere\""]),
            (member("ring", "eve"), ["no user", "\"eve\""]),
            (member("ada", "ada"), ["personal", "\"ada\""]),
            (app_password("ada", Some("ring")), ["no member", "make it one"]),
            (app_password("eve", None), ["no user", "\"eve\""]),
            (Order::RevokeAppPassword { user: "ada".to_owned(), id: AppPasswordId(1) }, ["app password 1", "list"]),
            (Order::SetPassword { user: "ada".to_owned(), password: "short".to_owned() }, ["8", "characters"]),
        ] {
            let Outcome::Refused(why) = perform(&domain, order.clone()).await else { panic!("{order:?} was done") };
            assert!(words.iter().all(|word| why.contains(word)), "{order:?}: {why}");
        }
        let join = |group: &str, user: &str| Order::SetGroupMember {
            group: group.to_owned(),
            user: user.to_owned(),
            member: true,
        };
        let group = || Order::AddGroup { name: "optics".to_owned(), display_name: String::new() };
        for order in [group(), join("optics", "ada")] {
            assert!(matches!(perform(&domain, order).await, Outcome::Done(_)));
        }
        for (order, word) in [(group(), "already"), (join("opera", "ada"), "opera"), (join("optics", "eve"), "eve")] {
            let Outcome::Refused(why) = perform(&domain, order.clone()).await else { panic!("{order:?} was done") };
            assert!(why.contains(word), "{order:?}: {why}");
        }
        let audit = Order::Audit { item: None, share: None, since: None, limit: 10 };
        let Outcome::Done(told) = perform(&domain, audit).await else { panic!("no audit") };
        let events: Vec<_> = told.lines.iter().filter_map(|line| line.split('\t').nth(1)).collect();
        assert_eq!(events, ["group_made", "group_joined"]);
        let Outcome::Done(made) = perform(&domain, app_password("ada", None)).await else { panic!("no secret") };
        assert_eq!((made.lines.len(), made.lines[0].len()), (1, 39), "the secret alone");
        let Outcome::Done(verified) = perform(&domain, Order::Verify).await else { panic!("not verified") };
        assert!(!verified.problems && verified.lines[0].contains("0 problems"), "{verified:?}");
        let Outcome::Done(listed) = perform(&domain, Order::ListSpaces).await else { panic!("no list") };
        assert_eq!(listed.lines, ["ada\tpersonal\t0 B of unlimited", "ring\tproject\t0 B of 1 MiB"]);
    }
}
