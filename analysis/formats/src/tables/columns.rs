//! What the line above a table calls its columns: `x_mm,height_nm`, `x(mm)<tab>Slope (urad)`, `x [m]; z [nm]`.

/// Name and unit of one column, the name in lower case, the unit as written and empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Name without its unit.
    pub(crate) name: String,
    /// Unit; empty where there is none.
    pub(crate) unit: String,
}

/// The columns a header line names, if it names `count` of them.
pub(crate) fn columns(line: &str, count: usize) -> Option<Vec<Column>> {
    if line.len() > 2000 || count == 0 || count > 64 {
        return None;
    }
    let separated = |separator: char| {
        let names: Vec<&str> = line.split(separator).map(str::trim).filter(|name| !name.is_empty()).collect();
        (names.len() == count).then_some(names)
    };
    let words = || {
        let names: Vec<&str> = line.split_whitespace().collect();
        (names.len() == count).then_some(names)
    };
    let names = separated('\t').or_else(|| separated(';')).or_else(|| separated(',')).or_else(words)?;
    Some(names.into_iter().map(column).collect())
}

fn column(text: &str) -> Column {
    let text = text.trim_matches('"').trim();
    let bracketed = text.split_once(['(', '[']).map(|(name, unit)| (name, unit.trim_end_matches([')', ']'])));
    let underscored = || text.rsplit_once('_');
    let (name, unit) = bracketed.or_else(underscored).unwrap_or((text, ""));
    Column { name: name.trim().to_lowercase(), unit: unit.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_are_found_in_the_usual_spellings() {
        let expect = |line, expected: [(&str, &str); 2]| {
            let found = columns(line, 2).unwrap_or_else(|| panic!("{line}"));
            let found: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.unit.as_str())).collect();
            assert_eq!(found, expected, "{line}");
        };
        expect("x_mm,height_nm", [("x", "mm"), ("height", "nm")]);
        expect("x(mm)\tSlope (urad)", [("x", "mm"), ("slope", "urad")]);
        expect("X [m]; Z [µm]", [("x", "m"), ("z", "µm")]);
        expect("x y", [("x", ""), ("y", "")]);
        assert_eq!(columns("145mmx45mmx45mm", 2), None);
    }
}
