//! Cases by name; the properties are in `tests/`.
