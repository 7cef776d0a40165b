//! Importing many new users at once whose hashes are ready: checked, sealed and chained one by one,
//! written in one transaction, many of them by `COPY`. What that is not for goes the way of a single
//! user.

use sqlx::PgConnection;

use crate::service::{
    Service,
    credentials::saving::{HashedCredential, Save, WritePrecondition},
    import::single::{Imported, ImportedUser},
    user_transaction::ChangeUserError,
    users::directory::happenings_of_new,
    users::saving::new_user,
};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        user::{NewUser, UserId},
    },
    security::audit_chain::{START_OF_CHAIN, audit_mac},
    storage::{
        self, StorageError,
        bulk::{self, BulkRows, ChainEnd},
        users::{self, UserHead},
    },
};

/// With fewer users than that, a statement for each table and user is faster than to begin and end a
/// `COPY` for each table.
const FEWEST_FOR_COPY: usize = 64;

/// What became of an imported user.
pub(crate) type Outcome = Result<(Imported, UserId), ChangeUserError>;

/// A user that can be written together with others.
struct Ready {
    user: NewUser,
    hashed: Vec<HashedCredential>,
}

impl Service {
    /// Imports users, of whom no two are the same, and tells by their places what became of each, as
    /// soon as it is known. Nothing of one depends on another.
    ///
    /// # Errors
    /// When it is not about one of them; what became of those that were not told is not known then.
    pub(crate) async fn import_users(
        &self,
        context: ChangeContext<'_>,
        imported: Vec<ImportedUser>,
        tell: impl Fn(usize, Outcome) + Send + Sync,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let taken = self.taken_of(&imported).await?;
        let is_new = |(_, user): &(usize, ImportedUser)| {
            let id = user.user_id.map(UserId::as_i32);
            !taken.names.contains(&user.login_name.canonical().to_owned())
                && !id.is_some_and(|id| taken.ids.contains(&id))
        };
        let (new, others): (Vec<_>, Vec<_>) = imported.into_iter().enumerate().partition(is_new);
        let (mut ready, mut places) = (Vec::new(), Vec::new());
        for (place, user) in new {
            match self.make_ready(context, user).await {
                Ok(made) => {
                    ready.push(made);
                    places.push(place);
                }
                Err(error) => tell(place, Err(error)),
            }
        }
        for (place, outcome) in places.into_iter().zip(self.insert_all(context, ready).await?) {
            tell(place, outcome);
        }
        for (place, user) in others {
            tell(place, self.import_user(context, user).await);
        }
        Ok(())
    }

    async fn taken_of(&self, users: &[ImportedUser]) -> Result<Taken, StorageError> {
        let names: Vec<_> = users.iter().map(|of| of.login_name.canonical().to_owned()).collect();
        let ids: Vec<_> = users.iter().filter_map(|of| of.user_id).map(UserId::as_i32).collect();
        let mut connection = self.connection().await?;
        let names = users::taken_names(&mut connection, &names, None).await?;
        let ids = users::given_ids(&mut connection, &ids).await?;
        connection.release();
        Ok(Taken { names, ids })
    }

    async fn make_ready(
        &self,
        context: ChangeContext<'_>,
        imported: ImportedUser,
    ) -> Result<Ready, ChangeUserError> {
        let ImportedUser { login_name, user_id, mut members } = imported;
        members.login_names = vec![login_name];
        let user = new_user(user_id, &mut members)?;
        let credentials = std::mem::take(&mut members.credentials);
        let of = (user.user_type, user.login_name.as_str());
        let hashed = self.hash_all(context, of, credentials).await?;
        Ok(Ready { user, hashed })
    }

    /// All in one transaction; when one of them keeps the others from it, because somebody took a name
    /// meanwhile or held a row for long, each in its own.
    async fn insert_all(
        &self,
        context: ChangeContext<'_>,
        ready: Vec<Ready>,
    ) -> Result<Vec<Outcome>, ChangeUserError> {
        let inserted = if ready.len() < FEWEST_FOR_COPY {
            self.insert_few(context, &ready).await
        } else {
            self.copy_all(context, &ready).await
        };
        match inserted {
            Err(
                ChangeUserError::LoginNameTaken
                | ChangeUserError::Invalid(_)
                | ChangeUserError::Storage(
                    StorageError::Constraint(_)
                    | StorageError::Busy(_)
                    | StorageError::Inconsistent { .. }
                    | StorageError::Refused(_),
                ),
            ) => {}
            inserted => {
                let added = inserted?.into_iter().map(|id| Ok((Imported::Added, id)));
                return Ok(added.collect());
            }
        }
        let mut outcomes = Vec::with_capacity(ready.len());
        for Ready { user, hashed } in ready {
            let inserted = self.insert_user(context, &user, &hashed).await;
            let outcome = inserted.map(|of| (Imported::Added, of.user.user_id));
            outcomes.push(outcome.map_err(ChangeUserError::from));
        }
        Ok(outcomes)
    }

    async fn insert_few(
        &self,
        context: ChangeContext<'_>,
        ready: &[Ready],
    ) -> Result<Vec<UserId>, ChangeUserError> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection().await?;
        let ids = ids_for(&mut connection, ready).await?;
        let mut transaction = connection.begin().await?;
        self.require_current_actor(&mut transaction, context).await?;
        for (user_id, Ready { user, hashed }) in ids.iter().copied().zip(ready) {
            self.write_new_user(&mut transaction, context, (user_id, user)).await?;
            self.write_credentials(&mut transaction, context, (user_id, hashed)).await?;
        }
        storage::commit(transaction).await?;
        Ok(ids)
    }

    async fn copy_all(
        &self,
        context: ChangeContext<'_>,
        ready: &[Ready],
    ) -> Result<Vec<UserId>, ChangeUserError> {
        let mut connection = self.connection().await?;
        let ids = ids_for(&mut connection, ready).await?;
        let mut rows = BulkRows::default();
        for (user_id, one) in ids.iter().copied().zip(ready) {
            self.add_rows(&mut rows, context, (user_id, one))?;
        }
        let mut transaction = connection.begin().await?;
        self.require_current_actor(&mut transaction, context).await?;
        bulk::copy(&mut transaction, rows).await?;
        storage::commit(transaction).await?;
        Ok(ids)
    }

    /// The rows of one user, with their chain from its beginning.
    fn add_rows(
        &self,
        rows: &mut BulkRows,
        context: ChangeContext<'_>,
        (user_id, Ready { user, hashed }): (UserId, &Ready),
    ) -> Result<(), ChangeUserError> {
        let mut head = UserHead {
            session_epoch: 0,
            login_name: user.login_name.as_str().to_owned(),
            user_type: user.user_type,
            audit_sequence: 0,
            audit_mac: START_OF_CHAIN.to_vec(),
        };
        let added = context.event(user_id, AuditKind::UserAdded, (0, 0));
        self.chain(rows, &mut head, &added)?;
        for change in happenings_of_new(user) {
            let event = change.event(context, user_id, &head);
            self.chain(rows, &mut head, &event)?;
        }
        for hashed in hashed {
            let save = Save { context, user_id, hashed, precondition: WritePrecondition::Nothing };
            // A new user has nothing that could go with it.
            let write = self.credential_write(save, &head, &[])?;
            rows.add_credential(&write)?;
            head.audit_sequence = write.event.sequence;
            head.session_epoch = write.event.session_epoch;
            head.audit_mac = write.audit_mac;
        }
        let end = ChainEnd {
            session_epoch: head.session_epoch,
            audit_sequence: head.audit_sequence,
            audit_mac: &head.audit_mac,
        };
        Ok(rows.add_user(user_id, user, &end, context.now)?)
    }

    fn chain(
        &self,
        rows: &mut BulkRows,
        head: &mut UserHead,
        event: &AuditEvent,
    ) -> Result<(), StorageError> {
        let key = self.keyring.writing();
        let mac = audit_mac(key, &head.audit_mac, event);
        rows.add_event(event, key.id(), &mac)?;
        head.audit_sequence = event.sequence;
        head.session_epoch = event.session_epoch;
        head.audit_mac = mac;
        Ok(())
    }
}

/// The id of each: its own, or the next free one.
async fn ids_for(
    connection: &mut PgConnection,
    ready: &[Ready],
) -> Result<Vec<UserId>, ChangeUserError> {
    let without_id = ready.iter().filter(|of| of.user.user_id.is_none()).count();
    let free = match without_id {
        0 => Vec::new(),
        count => users::next_ids(connection, count).await?,
    };
    let mut free = free.into_iter();
    let missing = || InvalidField::new("id", Reason::Required).into();
    ready.iter().map(|of| of.user.user_id.or_else(|| free.next()).ok_or_else(missing)).collect()
}

/// What some of the users want and others have.
struct Taken {
    names: Vec<String>,
    ids: Vec<i32>,
}
