//! Inputs with what no mutation finds by itself: signatures and sealed texts, made anew in every process.

/// The input with each `{name}` written out. Behind a NUL may stand edits of the outcome: three bytes each, a position
/// (big-endian, modulo the length) and what is XORed there.
pub(super) fn written_out(input: &[u8], marks: &[(&str, &str)]) -> Vec<u8> {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let mut rest = parts.next().unwrap_or_default();
    let mut text = Vec::with_capacity(rest.len());
    while let Some((first, tail)) = rest.split_first() {
        let mark = marks.iter().find_map(|(name, value)| {
            let after = tail.strip_prefix(name.as_bytes())?.strip_prefix(b"}")?;
            (*first == b'{').then_some((*value, after))
        });
        match mark {
            Some((value, after)) => {
                text.extend_from_slice(value.as_bytes());
                rest = after;
            }
            None => {
                text.push(*first);
                rest = tail;
            }
        }
    }
    for edit in parts.next().unwrap_or_default().chunks_exact(3) {
        if let ([high, low, change], length @ 1..) = (edit, text.len()) {
            text[usize::from(u16::from_be_bytes([*high, *low])) % length] ^= change;
        }
    }
    text
}
