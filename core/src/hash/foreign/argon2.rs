//! Argon2 (RFC 9106) as other products store it: any variant, both versions.

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

/// A row that asks for more could exhaust the host.
const MOST_KIB: u32 = 262_144;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argon2Verifier(Box<PasswordHash>);

impl Argon2Verifier {
    /// Reads a PHC text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let phc = Box::new(PasswordHash::new(text).ok()?);
        parts(&phc)?;
        Some(Self(phc))
    }

    pub(super) fn memory_kib(&self) -> u32 {
        Params::try_from(&*self.0).map_or(0, |it| it.m_cost())
    }

    /// `None` if the parameters are refused.
    pub(super) fn matches(&self, input: &[u8]) -> Option<bool> {
        let (argon2, salt, wanted) = parts(&self.0)?;
        let mut out = [0; Output::MAX_LENGTH];
        let out = out.get_mut(..wanted.len())?;
        argon2.hash_password_into(input, salt, out).ok()?;
        Some(constant_time_eq::constant_time_eq(out, wanted))
    }
}

/// The function, salt and hash of a text that is complete and within the caps.
fn parts(phc: &PasswordHash) -> Option<(Argon2<'static>, &[u8], &[u8])> {
    let (salt, hash) = (phc.salt.as_ref()?, phc.hash.as_ref()?);
    let params = Params::try_from(phc).ok()?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
    // Texts without a version are of the first one.
    let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
    let is_accepted = params.m_cost() <= MOST_KIB
        && params.t_cost() <= MOST_PASSES
        && params.p_cost() <= MOST_LANES
        && (12..=Output::MAX_LENGTH).contains(&hash.len());
    is_accepted.then(|| (Argon2::new(algorithm, version, params), salt.as_ref(), hash.as_bytes()))
}
