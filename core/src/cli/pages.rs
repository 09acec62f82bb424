//! Lists that may have more than one page.

use serde::Serialize;

use super::CommandContext;
use super::exit::Stop;
use crate::error::Error;
use crate::record::Page;

/// The longest page.
const PAGE: usize = 1_000;

/// The columns of a list in the text form, and the field that matters.
pub(super) struct ListForm {
    pub(super) columns: &'static [&'static str],
    pub(super) value: &'static str,
}

/// Prints a list page by page, up to `limit` records. `read` gets the length and the cursor of a page.
pub(super) async fn print<T: Serialize>(
    context: &mut CommandContext,
    form: ListForm,
    limit: Option<usize>,
    mut read: impl AsyncFnMut(usize, Option<String>) -> Result<Page<T>, Error>,
) -> Result<(), Stop> {
    let (mut left, mut cursor, mut is_first) = (limit, None, true);
    while left != Some(0) {
        let page = read(left.unwrap_or(PAGE).min(PAGE), cursor).await?;
        context.printer.rows(&page.data, form.columns, form.value, is_first)?;
        left = left.map(|left| left.saturating_sub(page.data.len()));
        (cursor, is_first) = (page.next_cursor, false);
        if !page.has_more {
            break;
        }
    }
    Ok(())
}
