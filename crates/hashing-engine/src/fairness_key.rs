//! The key that identifies a client in the fair queue.

use std::hash::Hash;

/// Identifies a client that shares the engine fairly with the others, such as an address or an
/// authenticated user.
///
/// Implemented for every type that fits. Clients with equal keys share one flow of the queue.
pub trait FairnessKey: Copy + Eq + Hash + Send + Sync + 'static {}

impl<K: Copy + Eq + Hash + Send + Sync + 'static> FairnessKey for K {}
