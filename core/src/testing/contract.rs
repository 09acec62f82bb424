use crate::keyring::Config;
use crate::limit::lease::place_contract;
use crate::store::contract;

/// Runs the suite that every store must pass on the database of `config`, which must be new. Returns the names of the checks
/// that passed.
///
/// # Errors
/// The first check that failed, in words.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// let config = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]);
/// let passed = pollster::block_on(keywright::testing::contract(config)).unwrap();
/// assert!(passed.len() >= 10);
/// ```
pub async fn contract(config: Config) -> Result<Vec<&'static str>, String> {
    let kw = config.build().await.map_err(|it| it.to_string())?;
    let passed = contract::contract(kw.engine().store()).await;
    kw.close().await;
    passed
}

/// Runs the suite that every place of shared limits must pass, on the one that `config` names, which must be empty. Returns the names
/// of the checks that passed.
///
/// # Errors
/// The first check that failed, in words; also for a limiter that shares nothing with other machines.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// let config = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]);
/// let refused = pollster::block_on(keywright::testing::shared_limits_contract(config));
/// assert!(refused.unwrap_err().contains("shares nothing with other machines"));
/// ```
pub async fn shared_limits_contract(config: Config) -> Result<Vec<&'static str>, String> {
    let kw = config.build().await.map_err(|it| it.to_string())?;
    let passed = match kw.engine().shared_limits() {
        Some(place) => place_contract::check(place),
        None => Err("the limiter shares nothing with other machines".to_owned()),
    };
    kw.close().await;
    passed
}
