//! Argon2id over the output of a function that is fast or weak.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    argon2_text::Argon2Hash,
    cost_limits::check_function,
    function_output::FunctionOutput,
    hash_function::HashFunction,
    phc::{NotPhc, PhcHash},
    rejection::HashRejection,
};

/// The first field of the text. The function and the PHC string of argon2id follow.
const PREFIX: &str = "$wrapped$";

/// A hash that is fast or weak. It must be wrapped before it is stored.
#[derive(Clone)]
pub struct WeakHash {
    function: HashFunction,
    output: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for WeakHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WeakHash").finish_non_exhaustive()
    }
}

impl From<FunctionOutput> for WeakHash {
    fn from(hash: FunctionOutput) -> Self {
        Self { function: hash.function, output: Zeroizing::new(hash.output) }
    }
}

impl WeakHash {
    /// The output, which argon2id hashes in place of the secret.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// The function.
    pub(crate) fn function(&self) -> &HashFunction {
        &self.function
    }

    /// The wrapped hash, with argon2id over the output.
    pub(crate) fn wrapped_in(self, outer: PhcHash) -> WrappedHash {
        WrappedHash { function: self.function, outer }
    }
}

/// Argon2id over the output of a function. It contains neither the output nor the text of the
/// other system.
#[derive(Clone)]
pub struct WrappedHash {
    function: HashFunction,
    outer: PhcHash,
}

impl std::fmt::Debug for WrappedHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WrappedHash")
            .field("scheme", &self.scheme())
            .field("parameters", &self.outer.parameters())
            .finish_non_exhaustive()
    }
}

impl WrappedHash {
    /// Parses the text of [`Self::to_text`]. `None` for any other text.
    ///
    /// # Errors
    /// When such a text is invalid.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, HashRejection> {
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(None) };
        let function_end = rest.find('$').ok_or(HashRejection::Unrecognized)?;
        let (function, outer) = rest.split_at(function_end);
        let function = HashFunction::parse(function).ok_or(HashRejection::Unrecognized)?;
        if !outer.starts_with("$argon2id$") {
            return Err(HashRejection::Unrecognized);
        }
        let outer = PhcHash::from_argon2(&Argon2Hash::parse(outer)?);
        Ok(Some(Self { function, outer: outer.ok_or(HashRejection::Unrecognized)? }))
    }

    /// A hash of this scheme and cost that no secret matches, for measurements. `None` for other
    /// schemes.
    pub(crate) fn sample(scheme: HashScheme, parameters: HashParameters) -> Option<Self> {
        let function = HashFunction::sample(scheme, 1)?;
        let outer = PhcHash::new(parameters, vec![0; 16], [0; 32]);
        Some(Self { function, outer })
    }

    /// Formats the hash so that [`Self::parse`] reads it.
    ///
    /// # Errors
    /// As [`PhcHash::to_phc_string`].
    pub(super) fn to_text(&self) -> Result<SecretString, NotPhc> {
        let mut text = Zeroizing::new(PREFIX.to_owned());
        self.function.write(&mut text);
        text.push_str(self.outer.to_phc_string()?.expose_secret());
        Ok(SecretString::from(text.as_str()))
    }

    /// Argon2id over the function.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        self.function.wrapped_scheme()
    }

    /// Rejects a function that costs too little or too much, or is never wrapped: it is strong
    /// enough to be stored as it is.
    pub(crate) fn check_function(&self) -> Result<(), HashRejection> {
        check_function(&self.function)?;
        if self.function.scheme().is_some() {
            return Err(HashRejection::Unrecognized);
        }
        Ok(())
    }

    /// The function that computes the input of argon2id.
    pub(crate) fn function(&self) -> &HashFunction {
        &self.function
    }

    /// Argon2id over the output of the function.
    pub(crate) fn outer(&self) -> &PhcHash {
        &self.outer
    }
}
