//! Promises of calls that wait.

use keywright::ffi::Boxed;
use napi::JsDeferred;
use napi::bindgen_prelude::*;
use tokio::runtime::Handle;

type Resolver<V> = Box<dyn FnOnce(Env) -> Result<V> + Send>;

/// A promise that is settled in any case, also if its call panics.
struct Settled<V: ToNapiValue>(Option<JsDeferred<V, Resolver<V>>>);

impl<V: ToNapiValue> Drop for Settled<V> {
    fn drop(&mut self) {
        if let Some(promise) = self.0.take() {
            promise.reject(Error::from_reason("the call ended without a result"));
        }
    }
}

/// Returns a promise of what a future returns. With `network`, the future waits for answers on connections of that runtime. The
/// thread that reads an answer then goes on with the call, and no other thread has to wake.
pub(crate) fn later<'env, T: Send + 'static, V: ToNapiValue + 'static>(
    env: &'env Env,
    network: Option<Handle>,
    future: Boxed<T>,
    convert: fn(T) -> V,
) -> Result<PromiseRaw<'env, V>> {
    let Some(network) = network else {
        return env.spawn_future_with_callback(async { Ok(future.await) }, move |_, outcome| Ok(convert(outcome)));
    };
    let (promise, object) = env.create_deferred()?;
    let mut promise = Settled(Some(promise));
    network.spawn(async move {
        let outcome = future.await;
        if let Some(promise) = promise.0.take() {
            promise.resolve(Box::new(move |_| Ok(convert(outcome))));
        }
    });
    Ok(PromiseRaw::new(env.raw(), object.raw()))
}
