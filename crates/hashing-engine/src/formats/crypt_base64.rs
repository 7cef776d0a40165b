//! The Base64 of crypt(3): the lowest six bits first, in an alphabet of its own.

/// The digits, by their value.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a digit.
pub(super) fn value_of(digit: u8) -> Option<u32> {
    let value = ALPHABET.iter().position(|known| *known == digit)?;
    u32::try_from(value).ok()
}

/// Decodes a text whose bytes are in the given order: the n-th decoded byte is the byte
/// `order[n]`. `None` when the text has another length, or bits that no digest sets.
pub(super) fn decode(text: &str, order: &[usize]) -> Option<Vec<u8>> {
    let mut output = vec![0; order.len()];
    let mut places = order.iter();
    for digits in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for (position, digit) in (0_u32..).zip(digits) {
            bits |= value_of(*digit)? << (6 * position);
        }
        let length = digits.len() * 6 / 8;
        for byte in bits.to_le_bytes().into_iter().take(length) {
            *output.get_mut(*places.next()?)? = byte;
        }
        if length == 0 || bits >> (8 * length) != 0 {
            return None;
        }
    }
    places.next().is_none().then_some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_decodes_the_lowest_bits_first_in_the_given_order() {
        assert_eq!(decode("....", &[0, 1, 2]), Some(vec![0, 0, 0]));
        assert_eq!(decode("/...", &[0, 1, 2]), Some(vec![1, 0, 0]));
        assert_eq!(decode("/...", &[2, 1, 0]), Some(vec![0, 0, 1]));
        assert_eq!(decode("zzz1", &[1, 0]), None);
        assert_eq!(decode("zzD", &[1, 0]), Some(vec![255, 255]));
        assert_eq!(decode("z1", &[0]), Some(vec![255]));
    }

    #[test]
    fn other_lengths_digits_and_unused_bits_are_refused() {
        for (text, order) in [
            ("", &[0][..]),
            ("z", &[0]),
            ("zz", &[0]),
            ("zzE", &[0, 1]),
            ("z-", &[0]),
            ("z1", &[0, 1]),
        ] {
            assert_eq!(decode(text, order), None, "{text}");
        }
    }
}
