use crate::{Config, Error};

/// Placeholder until the suite below stands.
pub async fn contract(_config: Config) -> Result<(), Error> {
    Ok(())
}
