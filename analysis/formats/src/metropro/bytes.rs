//! Fields at fixed offsets of the MetroPro header. Every offset is checked when the program is compiled, so reading
//! and writing a field can neither fail nor panic.

/// Size of the smallest genuine header (formats 1 and 2), bytes. All fields we know lie within it.
pub(super) const LEAST_HEADER: usize = 834;

/// The part of a header that all formats share.
pub(super) type Header = [u8; LEAST_HEADER];

/// The `N` bytes at offset `AT`.
pub(super) fn take<const AT: usize, const N: usize>(header: &Header) -> [u8; N] {
    const { assert!(AT + N <= LEAST_HEADER) };
    std::array::from_fn(|i| header[AT + i])
}

/// Writes `N` bytes at offset `AT`.
pub(super) fn put<const AT: usize, const N: usize>(header: &mut Header, value: [u8; N]) {
    const { assert!(AT + N <= LEAST_HEADER) };
    header[AT..AT + N].copy_from_slice(&value);
}

/// Text of at most `N` bytes at offset `AT`: up to the first NUL, Latin-1, without white space at the ends.
pub(super) fn take_text<const AT: usize, const N: usize>(header: &Header) -> String {
    let bytes: [u8; N] = take::<AT, N>(header);
    let text: String = bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
    text.trim().to_owned()
}

/// Writes text as Latin-1 (`?` for what that lacks), cut so that a NUL remains behind it.
pub(super) fn put_text<const AT: usize, const N: usize>(header: &mut Header, text: &str) {
    let mut field = [0u8; N];
    for (byte, character) in field.iter_mut().take(N - 1).zip(text.chars()) {
        *byte = u8::try_from(character).unwrap_or(b'?');
    }
    put::<AT, N>(header, field);
}
