//! Ids in the vendor's data model that the service stores as it receives them: it has no persons and
//! no roles of its own ([ADR 55](../../docs/adr/0055-vendor-ids-and-nicknames.md)).

use super::invalid_field::{InvalidField, Reason};

/// An id in the vendor's data model. 0: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct VendorId(i32);

impl VendorId {
    /// Checks an id.
    ///
    /// # Errors
    /// Names `field` when the id is negative.
    pub(crate) fn parse(field: &str, id: i32) -> Result<Self, InvalidField> {
        if id < 0 { Err(InvalidField::new(field, Reason::Negative)) } else { Ok(Self(id)) }
    }

    /// Checks a required id, which is not 0.
    ///
    /// # Errors
    /// Names `field` when the id is missing or not positive.
    pub(crate) fn require(field: &str, id: Option<i32>) -> Result<Self, InvalidField> {
        let id = id.ok_or_else(|| InvalidField::new(field, Reason::Required))?;
        if id > 0 { Ok(Self(id)) } else { Err(InvalidField::new(field, Reason::NotPositive)) }
    }

    /// The id as stored and sent.
    pub(crate) fn as_i32(self) -> i32 {
        self.0
    }

    /// True when there is none.
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// The ids of one user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct VendorIds {
    pub(crate) person: VendorId,
    /// Gives no rights.
    pub(crate) role: VendorId,
    /// The user of the vendor's customer service system.
    pub(crate) ej_user: VendorId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_none_and_a_negative_id_is_refused() {
        assert!(VendorId::parse("f", 0).unwrap().is_none());
        assert_eq!(VendorId::parse("f", i32::MAX).unwrap().as_i32(), i32::MAX);
        assert_eq!(VendorId::parse("f", -1).unwrap_err().reason, Reason::Negative);
        assert_eq!(VendorId::require("f", None).unwrap_err().reason, Reason::Required);
        for id in [0, -1] {
            assert_eq!(VendorId::require("f", Some(id)).unwrap_err().reason, Reason::NotPositive);
        }
        assert_eq!(VendorId::require("f", Some(7)).unwrap().as_i32(), 7);
    }
}
