//! What the XML bodies of PROPFIND and PROPPATCH ask for.

use crate::xml_in::{BadXml, Element, Name, read};

/// What a PROPFIND wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything dead and the live properties of RFC 4918, and these.
    All {
        /// Names under `include`.
        include: Vec<Name>,
    },
    /// The names of the properties there are.
    Names,
    /// These.
    Named(Vec<Name>),
}

/// Reads the body of a PROPFIND; an empty one asks for everything.
pub(crate) fn propfind(body: &[u8]) -> Result<Wanted, BadXml> {
    let Some(root) = read(body)? else { return Ok(Wanted::All { include: Vec::new() }) };
    if !root.name.is_dav("propfind") {
        return Err(BadXml);
    }
    let names = |element: &Element| element.children.iter().map(|child| child.name.clone()).collect::<Vec<_>>();
    let all = root.dav_child("allprop").is_some();
    let only_names = root.dav_child("propname").is_some();
    match (root.dav_child("prop"), all, only_names) {
        (Some(prop), false, false) => Ok(Wanted::Named(names(prop))),
        (None, true, false) => Ok(Wanted::All { include: root.dav_child("include").map(names).unwrap_or_default() }),
        (None, false, true) => Ok(Wanted::Names),
        _ => Err(BadXml),
    }
}

/// As [`propfind`], for what peers send: what is not understood asks for everything. Some write `allprop` in no namespace.
pub(crate) fn propfind_of_peer(body: &[u8]) -> Wanted {
    propfind(body).unwrap_or(Wanted::All { include: Vec::new() })
}

/// One instruction of a PROPPATCH.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// Give the property this value.
    Set(Element),
    /// Remove it; one that is not there is fine.
    Remove(Name),
}

impl Patch {
    /// The property it speaks of.
    pub(crate) fn name(&self) -> &Name {
        match self {
            Self::Set(element) => &element.name,
            Self::Remove(name) => name,
        }
    }
}

/// Reads the body of a PROPPATCH: the instructions in the order they were given.
pub(crate) fn proppatch(body: &[u8]) -> Result<Vec<Patch>, BadXml> {
    let root = read(body)?.filter(|root| root.name.is_dav("propertyupdate")).ok_or(BadXml)?;
    let mut patches = Vec::new();
    for instruction in root.children {
        let set = instruction.name.is_dav("set");
        if !set && !instruction.name.is_dav("remove") {
            continue;
        }
        for property in
            instruction.children.into_iter().filter(|child| child.name.is_dav("prop")).flat_map(|p| p.children)
        {
            patches.push(if set { Patch::Set(property) } else { Patch::Remove(property.name) });
        }
    }
    if patches.is_empty() { Err(BadXml) } else { Ok(patches) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_of_propfind() {
        assert_eq!(propfind(b""), Ok(Wanted::All { include: vec![] }));
        let body = b"<propfind xmlns=\"DAV:\"><allprop/><include><x/></include></propfind>";
        assert_eq!(propfind(body), Ok(Wanted::All { include: vec![Name::new("DAV:", "x")] }));
        assert_eq!(propfind(b"<a:propfind xmlns:a=\"DAV:\"><a:propname/></a:propfind>"), Ok(Wanted::Names));
        let body = b"<d:propfind xmlns:d=\"DAV:\"><d:prop><d:getetag/><n xmlns='urn:n'/></d:prop>M</d:propfind>";
        assert_eq!(propfind(body), Ok(Wanted::Named(vec![Name::new("DAV:", "getetag"), Name::new("urn:n", "n")])));
    }

    #[test]
    fn a_propfind_that_asks_nothing_or_two_things_is_refused() {
        for body in [
            "<propfind xmlns=\"DAV:\"/>",
            "<propfind><prop/></propfind>",
            "<x xmlns=\"DAV:\"><prop/></x>",
            "<propfind xmlns=\"DAV:\"><prop/><allprop/></propfind>",
        ] {
            assert_eq!(propfind(body.as_bytes()), Err(BadXml), "{body}");
        }
    }

    #[test]
    fn what_a_peer_asks_in_no_namespace_is_everything() {
        for body in ["<d:propfind xmlns:d='DAV:'><allprop/></d:propfind>", "", "<x/>", "<d:propfind xmlns:d='DAV:'/>"] {
            assert_eq!(propfind_of_peer(body.as_bytes()), Wanted::All { include: vec![] }, "{body}");
        }
        let named = b"<d:propfind xmlns:d='DAV:'><d:prop><d:getetag/></d:prop></d:propfind>";
        assert_eq!(propfind_of_peer(named), Wanted::Named(vec![Name::new("DAV:", "getetag")]));
    }

    #[test]
    fn instructions_keep_their_order() {
        let body =
            b"<d:propertyupdate xmlns:d=\"DAV:\" xmlns:z=\"urn:z\"><d:set><d:prop><z:a>1</z:a><z:b/></d:prop></d:set>\
            <d:remove><d:prop><z:a/></d:prop></d:remove></d:propertyupdate>";
        let patches = proppatch(body).unwrap();
        let names: Vec<_> =
            patches.iter().map(|patch| (patch.name().local.clone(), matches!(patch, Patch::Set(_)))).collect();
        assert_eq!(names, [("a".to_owned(), true), ("b".to_owned(), true), ("a".to_owned(), false)]);
        assert!(matches!(&patches[0], Patch::Set(a) if a.standalone == "<z:a xmlns:z=\"urn:z\">1</z:a>"));
        assert!(proppatch(b"").is_err());
        assert!(proppatch(b"<d:propertyupdate xmlns:d=\"DAV:\"/>").is_err());
    }
}
