//! The groups of responses that show a key.

/// A group of responses that show a key.
///
/// ```
/// use keywright::http::{Spelling, View};
/// assert!(Spelling::new().fields(View::List, ["id", "api_key"]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The responses of create and rotate, which show the text of the key.
    Create,
    /// The items of a list.
    List,
    /// All other responses.
    Get,
}
