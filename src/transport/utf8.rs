//! Is it text so far? UTF-8 that comes in parts, cut anywhere. Pure.

/// What was seen of a text, and may still become UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a code point that the last part ended in.
    part: [u8; 4],
    part_len: usize,
}

impl Utf8 {
    /// Whether the text can still become UTF-8 with `bytes` behind what came before. After `false`
    /// it cannot.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> bool {
        while self.part_len > 0 {
            let Some((first, rest)) = bytes.split_first() else {
                return true;
            };
            bytes = rest;
            self.part[self.part_len] = *first;
            self.part_len += 1;
            match str::from_utf8(&self.part[..self.part_len]) {
                Ok(_) => self.part_len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = str::from_utf8(bytes) else {
            return true;
        };
        // At most three bytes: four are a code point, or none.
        let rest = &bytes[error.valid_up_to()..];
        if error.error_len().is_none() {
            self.part[..rest.len()].copy_from_slice(rest);
            self.part_len = rest.len();
        }
        error.error_len().is_none()
    }

    /// Whether the text may end here.
    pub(super) const fn is_complete(&self) -> bool {
        self.part_len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8;

    /// Goal: the same verdict as on the whole text, and at the first byte that settles it. Method:
    /// all texts of up to three bytes and edges of four, in every division, against `str`.
    #[test]
    fn parts_are_text_where_the_whole_is() {
        let edges = [
            0x00, 0x7F, 0x80, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0x9F, 0xA0, 0xED, 0xEF, 0xF0, 0x8F,
            0x90, 0xF4, 0xF5, 0xFF,
        ];
        let mut texts = vec![Vec::new()];
        for _ in 0..4 {
            let longer = texts.iter().flat_map(|text: &Vec<u8>| {
                let with = |byte| [&text[..], &[byte]].concat();
                edges.into_iter().map(with)
            });
            texts = [vec![Vec::new()], longer.collect()].concat();
        }
        for text in texts {
            let (expected, hopeless) = match str::from_utf8(&text) {
                Ok(_) => (true, false),
                Err(error) => (false, error.error_len().is_some()),
            };
            for division in 0..1_u32 << text.len() {
                let (mut utf8, mut start, mut good) = (Utf8::default(), 0, true);
                for end in 1..=text.len() {
                    if end == text.len() || division & (1 << end) != 0 {
                        good = good && utf8.push(&text[start..end]);
                        start = end;
                    }
                }
                assert_eq!(good, !hopeless, "{text:x?} {division:b}");
                assert_eq!(good && utf8.is_complete(), expected, "{text:x?}");
            }
        }
    }
}
