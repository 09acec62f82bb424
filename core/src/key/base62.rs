//! Base62 in the order 0-9, A-Z, a-z.

use crate::entropy;
use crate::error::Error;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(crate) fn is_base62(text: &[u8]) -> bool {
    // Has no early return, so that the compiler can check many bytes at once.
    text.iter().fold(true, |all, it| all & it.is_ascii_alphanumeric())
}

/// The value of each byte as a digit, 62 for a byte that is not a digit.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [62; 256];
    let mut rest: &[u8] = DIGITS;
    while let [before @ .., last] = rest {
        if let Some(value) = values.split_at_mut(*last as usize).1.first_mut() {
            *value = before.len() as u8;
        }
        rest = before;
    }
    values
};

/// The number of a few digits; `None` if it does not fit, or if a byte is not a digit.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let value = |byte: &u8| DIGIT_VALUES.get(usize::from(*byte)).copied().filter(|value| *value < 62);
    digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(62)?.checked_add(value(digit)?.into()))
}

/// A number as `N` digits, left-padded with zeros.
pub(crate) fn padded<const N: usize>(mut number: u64) -> [u8; N] {
    let mut out = [b'0'; N];
    for digit in out.iter_mut().rev() {
        *digit = pick(number % 62);
        number /= 62;
    }
    out
}

/// Random digits, each equally likely: it discards bytes past the last multiple of 62.
pub(crate) fn random(length: usize) -> Result<zeroize::Zeroizing<String>, Error> {
    const FAIR: u8 = 62 * 4;
    let mut out = zeroize::Zeroizing::new(String::with_capacity(length));
    let mut pool = zeroize::Zeroizing::new([0_u8; 64]);
    while out.len() < length {
        entropy::fill(pool.as_mut_slice())?;
        let fair = pool.iter().filter(|byte| **byte < FAIR).map(|byte| char::from(pick(u64::from(byte % 62))));
        let wanted = length - out.len();
        out.extend(fair.take(wanted));
    }
    Ok(out)
}

fn pick(digit: u64) -> u8 {
    usize::try_from(digit).ok().and_then(|it| DIGITS.get(it)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(&padded::<6>(0), b"000000");
        assert_eq!(&padded::<6>(61), b"00000z");
        assert_eq!(&padded::<6>(u64::from(u32::MAX)), b"4gfFC3");
        assert_eq!((number(b""), number(b"4gfFC3")), (Some(0), Some(u32::MAX.into())));
        assert!((0..=u8::MAX).all(|it| number(&[it]).is_some() == it.is_ascii_alphanumeric()));
        assert_eq!(number(b"zzzzzzzzzzzz"), None);
    }

    #[test]
    fn random_text_has_its_length_and_every_digit() {
        let text = random(20_000).unwrap();
        assert_eq!(text.len(), 20_000);
        assert!(DIGITS.iter().all(|it| text.contains(char::from(*it))));
    }

    proptest! {
        #[test]
        fn padding_keeps_order(a: u32, b: u32) {
            prop_assert_eq!(a.cmp(&b), padded::<6>(a.into()).cmp(&padded::<6>(b.into())));
            prop_assert_eq!(number(&padded::<6>(a.into())), Some(a.into()));
        }
    }
}
