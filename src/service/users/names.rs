//! Whether a login name can be had, and one that can.

use crate::service::{Service, user_transaction::ChangeUserError};
use crate::{
    domain::{new_login_name::NewLoginName, principal::Principal, user::UserId},
    storage::{StorageError, users},
};

/// How many variants of a name are looked up at a time.
const VARIANTS: u32 = 100;

impl Service {
    /// True when nobody but `except` has this login name. Whoever may not act on anybody would
    /// learn who there is.
    ///
    /// # Errors
    /// [`ChangeUserError::Forbidden`], or what the database said.
    pub(crate) async fn is_name_free(
        &self,
        principal: &Principal,
        name: &NewLoginName,
        except: Option<UserId>,
    ) -> Result<bool, ChangeUserError> {
        if !principal.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        Ok(self.taken(std::slice::from_ref(name), except).await?.is_empty())
    }

    /// The name, or the first of its numbered variants that is free.
    ///
    /// # Errors
    /// As [`Self::is_name_free`].
    pub(crate) async fn free_name(
        &self,
        principal: &Principal,
        name: NewLoginName,
        except: Option<UserId>,
    ) -> Result<NewLoginName, ChangeUserError> {
        if self.is_name_free(principal, &name, except).await? {
            return Ok(name);
        }
        for first in (2..).step_by(VARIANTS as usize) {
            let variants: Vec<_> =
                (first..first + VARIANTS).map(|number| name.variant(number)).collect();
            let taken = self.taken(&variants, except).await?;
            let mut free =
                variants.into_iter().filter(|of| !taken.contains(&of.canonical().to_owned()));
            if let Some(free) = free.next() {
                return Ok(free);
            }
        }
        Err(ChangeUserError::LoginNameTaken)
    }

    pub(in crate::service) async fn taken(
        &self,
        names: &[NewLoginName],
        except: Option<UserId>,
    ) -> Result<Vec<String>, StorageError> {
        let canonical: Vec<_> = names.iter().map(|name| name.canonical().to_owned()).collect();
        on_connection!(self, |connection| users::taken_names(&mut connection, &canonical, except))
    }
}
