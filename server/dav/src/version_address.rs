//! Addresses of earlier versions: Nextcloud's `/remote.php/dav/versions/USER/…` and oCIS's
//! `/remote.php/dav/meta/FILEID/v/…`.

use crate::mount::{NoAddress, push_segment, segments};
use stitchbox_schema::VersionId;

const VERSIONS: &str = "/remote.php/dav/versions/";
const META: &str = "/remote.php/dav/meta/";

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The folders above the files.
    Top,
    /// The file as such (oCIS only): where it lies.
    File,
    /// The earlier versions of a file.
    History,
    /// One of them.
    Version(VersionId),
    /// Where a version is moved to become the present one.
    Restore,
}

/// An address of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionAddress {
    /// The user whose versions it shows; nobody's name in oCIS's form.
    pub user: Option<String>,
    /// The file, as `oc:fileid` or `oc:id`; empty where the part names none.
    pub file: String,
    pub part: Part,
    /// URL of the folder of versions, or of what the address means where it is not below one; no slash at the end.
    pub href: String,
}

impl VersionAddress {
    /// Reads the path of a URL.
    pub(crate) fn of(path: &str) -> Result<Self, NoAddress> {
        if let Some(rest) = path.strip_prefix(META) {
            let names = segments(rest)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (file, part, deep) = match names.as_slice() {
                [file] => (file, Part::File, false),
                [file, "v"] => (file, Part::History, true),
                [file, "v", version] => (file, part_of_version(version)?, true),
                _ => return Err(NoAddress::Outside),
            };
            let mut href = META.trim_end_matches('/').to_owned();
            push_segment(&mut href, file);
            if deep {
                push_segment(&mut href, "v");
            }
            return Ok(Self { user: None, file: (*file).to_owned(), part, href });
        }
        let names = segments(path.strip_prefix(VERSIONS).ok_or(NoAddress::Outside)?)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (user, file, part, depth) = match names.as_slice() {
            [user] => (user, "", Part::Top, 1),
            [user, "versions"] => (user, "", Part::Top, 2),
            [user, "versions", file] => (user, *file, Part::History, 3),
            [user, "versions", file, version] => (user, *file, part_of_version(version)?, 3),
            [user, "restore"] => (user, "", Part::Restore, 2),
            [user, "restore", _] => (user, "", Part::Restore, 3),
            _ => return Err(NoAddress::Outside),
        };
        let mut href = VERSIONS.trim_end_matches('/').to_owned();
        names.iter().take(depth).for_each(|name| push_segment(&mut href, name));
        Ok(Self { user: Some((*user).to_owned()), file: file.to_owned(), part, href })
    }

    /// URL of a version.
    pub(crate) fn href_of(&self, version: VersionId) -> String {
        format!("{}/{version}", self.href)
    }
}

fn part_of_version(name: &str) -> Result<Part, NoAddress> {
    name.parse().map(Part::Version).map_err(|_| NoAddress::Outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let address = VersionAddress::of("/remote.php/dav/versions/anna/versions/42/7").unwrap();
        assert_eq!((address.part.clone(), address.file.as_str()), (Part::Version(VersionId(7)), "42"));
        assert_eq!(address.href_of(VersionId(7)), "/remote.php/dav/versions/anna/versions/42/7");
        let address = VersionAddress::of("/remote.php/dav/meta/00000042sb1/v/").unwrap();
        assert_eq!((address.part.clone(), address.user.clone()), (Part::History, None));
        assert_eq!(address.href_of(VersionId(7)), "/remote.php/dav/meta/00000042sb1/v/7");
        let part = |path: &str| VersionAddress::of(path).map(|address| address.part);
        assert_eq!(part("/remote.php/dav/versions/anna/restore/x"), Ok(Part::Restore));
        assert_eq!(part("/remote.php/dav/meta/42"), Ok(Part::File));
        for outside in ["/remote.php/dav/versions/anna/else", "/remote.php/dav/meta/42/x", "/remote.php/dav/meta/4/v/x"]
        {
            assert_eq!(part(outside), Err(NoAddress::Outside), "{outside}");
        }
    }
}
