//! Checks whether login names and nicknames are free, and suggests free login names.

use super::directory::UserDirectory;
use crate::{
    domain::{
        new_login_name::NewLoginName, nick_name::NickName, principal::Principal, user::UserId,
    },
    service::errors::{ChangeUserError, ReadUserError},
    storage::{StorageError, nick_names, users},
};

/// The number of name variants per lookup.
const VARIANTS: u32 = 100;

impl UserDirectory {
    /// True when no user but `except` has this login name. For callers who may read users: the
    /// answer reveals whether a user exists.
    ///
    /// # Errors
    /// [`ReadUserError::Forbidden`], or when the database does not answer.
    pub(crate) async fn is_name_free(
        &self,
        principal: &Principal,
        name: &NewLoginName,
        except: Option<UserId>,
    ) -> Result<bool, ChangeUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden.into());
        }
        Ok(self.taken_names(std::slice::from_ref(name), except).await?.is_empty())
    }

    /// The name, or its first numbered variant that is free.
    ///
    /// # Errors
    /// As [`Self::is_name_free`].
    pub(crate) async fn free_name(
        &self,
        principal: &Principal,
        name: NewLoginName,
        except: Option<UserId>,
    ) -> Result<NewLoginName, ChangeUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden.into());
        }
        self.free_variant(name, except).await
    }

    /// As [`Self::free_name`], for an actor who may ask.
    ///
    /// # Errors
    /// [`ChangeUserError::LoginNameTaken`], or when the database does not answer.
    pub(in crate::service) async fn free_variant(
        &self,
        name: NewLoginName,
        except: Option<UserId>,
    ) -> Result<NewLoginName, ChangeUserError> {
        if self.taken_names(std::slice::from_ref(&name), except).await?.is_empty() {
            return Ok(name);
        }
        for first in (2..).step_by(VARIANTS as usize) {
            let variants: Vec<_> =
                (first..first + VARIANTS).map(|number| name.variant(number)).collect();
            let taken = self.taken_names(&variants, except).await?;
            let is_free = |variant: &NewLoginName| !taken.contains(&variant.canonical().to_owned());
            if let Some(free) = variants.into_iter().find(is_free) {
                return Ok(free);
            }
        }
        Err(ChangeUserError::LoginNameTaken)
    }

    /// True when the nickname is valid and no user but `except` has it. For callers who may
    /// read users.
    ///
    /// # Errors
    /// [`ReadUserError::Forbidden`], or when the database does not answer.
    pub(crate) async fn is_nick_name_free(
        &self,
        principal: &Principal,
        nick_name: Option<&NickName>,
        except: Option<UserId>,
    ) -> Result<bool, ChangeUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden.into());
        }
        match nick_name {
            None => Ok(false),
            Some(nick_name) => Ok(!self.is_nick_name_taken(nick_name, except).await?),
        }
    }

    /// True when a user other than `except` has this nickname.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn is_nick_name_taken(
        &self,
        nick_name: &NickName,
        except: Option<UserId>,
    ) -> Result<bool, StorageError> {
        read_on_connection!(self.database, |connection| nick_names::is_taken(
            &mut connection,
            nick_name,
            except
        ))
    }

    /// The canonical forms of those names that users other than `except` have.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn taken_names(
        &self,
        names: &[NewLoginName],
        except: Option<UserId>,
    ) -> Result<Vec<String>, StorageError> {
        let canonical: Vec<_> = names.iter().map(|name| name.canonical().to_owned()).collect();
        read_on_connection!(self.database, |connection| users::taken_names(
            &mut connection,
            &canonical,
            except
        ))
    }
}
