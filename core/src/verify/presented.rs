/// A text as a request presents it.
///
/// ```
/// use keywright::Presented;
/// let (text, header): (Presented, Presented) = ("liq_live_…".into(), None::<&str>.into());
/// ```
#[derive(Clone, Copy)]
pub struct Presented<'a>(pub(super) Option<&'a [u8]>);

#[cfg(feature = "client")]
impl<'a> Presented<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        self.0
    }
}

impl<'a> From<&'a str> for Presented<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Presented<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<&'a [u8]> for Presented<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self(Some(text))
    }
}

impl<'a, T: ?Sized + AsRef<[u8]>> From<Option<&'a T>> for Presented<'a> {
    fn from(text: Option<&'a T>) -> Self {
        Self(text.map(AsRef::as_ref))
    }
}
