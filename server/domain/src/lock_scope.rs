//! Where a lock holds: paths against paths, nothing else.

use stitchbox_store::locks::Lock;

/// Whether a lock holds at a path (`/a/b`) of its space.
#[must_use]
pub fn covers(lock: &Lock, path: &str) -> bool {
    lock.path == path || lock.deep && lies_below(path, &lock.path)
}

/// Whether `path` lies below `top`, both as `/a/b`; the root is `/`.
pub(crate) fn lies_below(path: &str, top: &str) -> bool {
    path != "/" && (top == "/" || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_goes_by_whole_names() {
        assert!(lies_below("/a/b", "/a") && lies_below("/a", "/"));
        assert!(!lies_below("/ab", "/a") && !lies_below("/a", "/a") && !lies_below("/", "/"));
    }
}
