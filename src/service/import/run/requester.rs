//! The actor of an import.

use crate::domain::change_context::ChangeContext;

/// The actor of an import.
pub(crate) trait Requester: Send + Sync + 'static {
    /// The same for the next line or batch.
    fn for_next(&self) -> Self;

    /// The context of a change that is made now.
    fn change_context(&self) -> ChangeContext<'_>;
}
