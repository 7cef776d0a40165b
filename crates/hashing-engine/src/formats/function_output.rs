//! A function of another system and its output.

use subtle::ConstantTimeEq;

use super::{
    hash_function::{Algorithm, HashFunction},
    rejection::HashRejection,
};

/// A function and its output.
#[derive(Clone)]
pub(super) struct FunctionOutput {
    pub(super) function: HashFunction,
    /// As long as the function's output.
    pub(super) output: Vec<u8>,
}

impl FunctionOutput {
    /// A function of these rounds and this salt, with its output.
    ///
    /// # Errors
    /// When the rounds or a length are out of range.
    pub(super) fn new(
        algorithm: Algorithm,
        rounds: u32,
        salt: &[u8],
        mut output: Vec<u8>,
    ) -> Result<Self, HashRejection> {
        let function = HashFunction::new(algorithm, rounds, salt, output.len());
        let function = function.ok_or(HashRejection::Unrecognized)?;
        output.truncate(function.length());
        Ok(Self { function, output })
    }

    /// True when the output was computed from this secret.
    pub(super) fn matches(&self, secret: &[u8]) -> bool {
        let output = self.function.compute(secret);
        output.is_some_and(|output| output.ct_eq(&self.output).into())
    }
}
