//! scrypt (RFC 7914).

use super::base64::base64;
use super::number;

/// The memory of one check in KiB, and the product of all three parameters: a row that asks for more could exhaust the host.
const MOST_KIB: u64 = 262_144;
const MOST_WORK: u64 = 1 << 22;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScryptVerifier {
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl ScryptVerifier {
    /// Reads what Django stores after the name: `N$SALT$r$p$HASH`, with a salt of text.
    pub(super) fn read_django(rest: &str) -> Option<Self> {
        let mut parts = rest.split('$');
        let (n, salt) = (number(parts.next()?)?, parts.next()?);
        let (r, p, hash) = (number(parts.next()?)?, number(parts.next()?)?, base64(parts.next()?)?);
        let log_n = n.is_power_of_two().then(|| u8::try_from(n.trailing_zeros()).ok())??;
        parts.next().is_none().then(|| Self::new(log_n, r, p, salt.into(), hash))?
    }

    /// Reads the PHC form `ln=LOG_N,r=R,p=P$SALT$HASH`.
    pub(super) fn read_phc(rest: &str) -> Option<Self> {
        let mut parts = rest.split('$');
        let mut parameters = parts.next()?.split(',');
        let mut take = |name: &str| number(parameters.next()?.strip_prefix(name)?);
        let (log_n, r, p) = (take("ln=")?, take("r=")?, take("p=")?);
        let (salt, hash) = (base64(parts.next()?)?, base64(parts.next()?)?);
        let is_whole = parts.next().is_none() && parameters.next().is_none();
        is_whole.then(|| Self::new(u8::try_from(log_n).ok()?, r, p, salt, hash))?
    }

    fn new(log_n: u8, r: u32, p: u32, salt: Vec<u8>, hash: Vec<u8>) -> Option<Self> {
        if !(1..=24).contains(&log_n) || r == 0 || p == 0 || !(16..=64).contains(&hash.len()) {
            return None;
        }
        let (n, r_wide, p_wide) = (1_u64 << log_n, u64::from(r), u64::from(p));
        let is_accepted = kib(n, r_wide, p_wide) <= MOST_KIB && n * r_wide * p_wide <= MOST_WORK;
        is_accepted.then_some(Self { log_n, r, p, salt, hash })
    }

    pub(super) fn memory_kib(&self) -> u32 {
        u32::try_from(kib(1 << self.log_n, self.r.into(), self.p.into())).unwrap_or(u32::MAX)
    }

    /// `None` if the parameters are refused.
    pub(super) fn matches(&self, input: &[u8]) -> Option<bool> {
        let params = scrypt::Params::new(self.log_n, self.r, self.p).ok()?;
        let mut out = vec![0; self.hash.len()];
        scrypt::scrypt(input, &self.salt, &params, &mut out).ok()?;
        Some(constant_time_eq::constant_time_eq(&out, &self.hash))
    }
}

/// Saturates, so that no product of large parameters wraps below the caps.
fn kib(n: u64, r: u64, p: u64) -> u64 {
    (n + p).saturating_mul(128).saturating_mul(r) / 1_024 + 1
}
