//! Argon2id.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::secret::{BoundSecret, SecretCheck};
use crate::error::{Error, UnavailableCause};

const LABEL: &str = "keywright/argon2id/v1";
const OUTPUT: usize = 32;

/// The cost of one hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The first recommendation of OWASP for argon2id (Password Storage Cheat Sheet).
    pub(super) const STANDARD: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };

    /// A row that asks for more could exhaust the host, so it is refused before anything runs.
    const CAP: Self = Self { memory_kib: 262_144, passes: 16, lanes: 4 };
}

pub(super) fn make(secret: &BoundSecret, salt: [u8; 16], cost: Cost) -> Result<Box<PasswordHash>, Error> {
    let broken = |_| Error::unavailable(UnavailableCause::Io, "argon2id could not run", "free memory and try again");
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(OUTPUT)).map_err(broken)?;
    let mut out = [0; OUTPUT];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(&secret.message(LABEL), &salt, &mut out).map_err(broken)?;
    let broken = |_| Error::unavailable(UnavailableCause::Io, "argon2id gave no hash", "try again");
    let params = ParamsString::try_from(argon2.params()).map_err(|_| broken(argon2::Error::OutputTooLong))?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params,
        salt: Salt::new(&salt).ok(),
        hash: Output::new(&out).ok(),
    };
    Ok(Box::new(phc))
}

pub(super) fn check(phc: &PasswordHash, secret: &BoundSecret) -> SecretCheck {
    let Some((params, salt, wanted)) = within_caps(phc) else { return SecretCheck::Unusable };
    let mut out = [0; Output::MAX_LENGTH];
    let Some(out) = out.get_mut(..wanted.len()) else { return SecretCheck::Unusable };
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    match argon2.hash_password_into(&secret.message(LABEL), salt, out) {
        Err(_) => SecretCheck::Unusable,
        Ok(()) if constant_time_eq::constant_time_eq(out, wanted) => SecretCheck::Match,
        Ok(()) => SecretCheck::Mismatch,
    }
}

pub(super) fn memory(phc: &PasswordHash) -> u32 {
    Params::try_from(phc).map_or(0, |it| it.m_cost())
}

/// The parameters, salt and hash of a stored text, if they are complete and within the caps.
pub(super) fn within_caps(phc: &PasswordHash) -> Option<(Params, &[u8], &[u8])> {
    let (salt, hash) = (phc.salt.as_ref()?, phc.hash.as_ref()?);
    let params = Params::try_from(phc).ok()?;
    let is_accepted = phc.algorithm == Algorithm::Argon2id.ident()
        && phc.version == Some(Version::V0x13.into())
        && params.m_cost() <= Cost::CAP.memory_kib
        && params.t_cost() <= Cost::CAP.passes
        && params.p_cost() <= Cost::CAP.lanes
        && (16..=64).contains(&hash.len());
    is_accepted.then_some((params, salt, hash.as_bytes()))
}

/// A verifier with a known salt, for test vectors.
#[cfg(feature = "testing")]
pub(crate) fn salted(secret: &BoundSecret, salt: &[u8]) -> Result<Box<PasswordHash>, Error> {
    let salt = salt.try_into().map_err(|_| Error::validation_failed("salt", "has another length", "give 16 bytes"))?;
    make(secret, salt, Cost::STANDARD)
}

/// Argon2id with all its inputs (RFC 9106, section 3.1), for the test vectors of the RFC.
#[cfg(feature = "testing")]
pub(crate) fn raw(
    password: &[u8],
    salt: &[u8],
    secret: &[u8],
    data: &[u8],
    cost: [u32; 3],
    out: &mut [u8],
) -> Result<(), Error> {
    let wrong = |_| Error::validation_failed("input", "is outside of what argon2id takes", "see RFC 9106, section 3.1");
    let [memory, passes, lanes] = cost;
    let mut params = argon2::ParamsBuilder::new();
    params.m_cost(memory).t_cost(passes).p_cost(lanes).output_len(out.len());
    params.data(argon2::AssociatedData::new(data).map_err(wrong)?);
    let params = params.build().map_err(wrong)?;
    let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params).map_err(wrong)?;
    argon2.hash_password_into(password, salt, out).map_err(wrong)
}
