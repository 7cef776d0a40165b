//! Describes the operations of the API. The OpenAPI document is built from these descriptions.

use utoipa::{
    ToSchema,
    openapi::{
        ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, path::Parameter,
    },
};

use super::{
    error::ErrorKind,
    openapi::schemas::{
        Schemas, Typed, reference, typed, with_schemas_of, with_selectable_schemas_of,
    },
};

/// The description of one operation.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch")]
pub(super) struct Operation {
    pub(super) summary: &'static str,
    pub(super) body: Option<Typed>,
    pub(super) is_body_required: bool,
    /// False for a body that is not an object, so that it is neither a form nor a patch.
    pub(super) has_form: bool,
    /// The ids in the query, each with name and description.
    pub(super) query: Vec<(&'static str, &'static str)>,
    /// Optional parameters of this operation only.
    pub(super) parameters: Vec<Parameter>,
    pub(super) answer: Answer,
    /// True when browsers get a page instead.
    pub(super) may_be_a_page: bool,
    /// True when the operation takes the cookie of a session, but needs no authentication.
    pub(super) takes_session: bool,
    /// The name of the only scheme that may authenticate the request; `None` for any.
    pub(super) only_scheme: Option<&'static str>,
    /// True when a form is answered with a redirect.
    pub(super) redirects_forms: bool,
    /// True when `If-Modified-Since` can be answered with 304.
    pub(super) may_be_unmodified: bool,
    /// True when the operation takes the reason of a sensitive change.
    pub(super) takes_reason: bool,
    /// True for an exchange of SOAP messages, whose errors are faults.
    pub(super) is_soap: bool,
    pub(super) refusals: Vec<ErrorKind>,
}

/// The response to a successful request.
pub(super) enum Answer {
    /// In the negotiated format, with this status; `$select` applies when it is selectable.
    Negotiated { status: u16, typed: Box<Typed>, is_selectable: bool },
    /// 204, without a body.
    Nothing,
    /// A document in one of these media types.
    Text(Vec<&'static str>),
}

impl Answer {
    /// True for an HTML page.
    pub(super) fn is_page(&self) -> bool {
        matches!(self, Self::Text(media_types) if media_types == &["text/html"])
    }
}

impl Operation {
    /// An operation without parameters, request body and response body.
    pub(super) fn new(summary: &'static str) -> Self {
        Self {
            summary,
            body: None,
            is_body_required: true,
            has_form: true,
            query: Vec::new(),
            parameters: Vec::new(),
            answer: Answer::Nothing,
            may_be_a_page: false,
            takes_session: false,
            only_scheme: None,
            redirects_forms: false,
            may_be_unmodified: false,
            takes_reason: false,
            is_soap: false,
            refusals: Vec::new(),
        }
    }

    /// Requires a body of this type, in any format.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(typed::<T>());
        self
    }

    /// Accepts a body of this type, in any format.
    pub(super) fn takes_optional<T: ToSchema>(mut self) -> Self {
        self.is_body_required = false;
        self.takes::<T>()
    }

    /// Accepts a body that is a list of ids, in any format that has lists.
    pub(super) fn takes_list_of_ids(mut self) -> Self {
        let id = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(i32::MAX))
            .build();
        let list = Schema::Array(ArrayBuilder::new().items(id).build());
        self.body = Some(Typed::new::<Vec<i32>>(list.into(), |_| {}));
        self.is_body_required = false;
        self.has_form = false;
        self
    }

    /// Requires an id in the query.
    pub(super) fn asks(mut self, name: &'static str, description: &'static str) -> Self {
        self.query.push((name, description));
        self
    }

    /// Accepts a parameter.
    pub(super) fn accepts(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Makes a sensitive change: takes a reason, and needs a recent proof
    /// (docs/reference/sensitive-changes.md).
    pub(super) fn sensitive(mut self) -> Self {
        self.takes_reason = true;
        self.refuses(ErrorKind::ProofTooOld)
    }

    /// Answers 304 if the resource was not changed since `If-Modified-Since`.
    pub(super) fn may_be_unmodified(mut self) -> Self {
        self.may_be_unmodified = true;
        self
    }

    /// Answers browsers with an HTML page instead.
    pub(super) fn may_be_a_page(mut self) -> Self {
        self.may_be_a_page = true;
        self
    }

    /// True when an error can be a page.
    pub(super) fn may_refuse_with_a_page(&self) -> bool {
        self.may_be_a_page || self.answer.is_page()
    }

    /// Takes the cookie of a session, with `X-XSRF-TOKEN`.
    pub(super) fn takes_session(mut self) -> Self {
        self.takes_session = true;
        self
    }

    /// Accepts only this authentication scheme.
    pub(super) fn authenticates_only_with(mut self, scheme: &'static str) -> Self {
        self.only_scheme = Some(scheme);
        self
    }

    /// Answers a form with a redirect.
    pub(super) fn redirects_forms(mut self) -> Self {
        self.redirects_forms = true;
        self
    }

    /// Takes a SOAP message and answers with one.
    pub(super) fn exchanges_soap(mut self) -> Self {
        self.is_soap = true;
        self.answers_text("text/xml")
    }

    /// Answers 200 with this scalar, in any format.
    pub(super) fn answers<T: ToSchema>(self) -> Self {
        self.negotiated(200, typed::<T>(), true)
    }

    /// Answers 200 with the selected members of this carrier, in any format.
    pub(super) fn answers_carrier<T: ToSchema>(self) -> Self {
        let typed = Typed::new::<T>(reference::<T>(), with_selectable_schemas_of::<T>);
        self.negotiated(200, typed, true)
    }

    /// As [`Self::answers_carrier`], or null.
    pub(super) fn answers_carrier_or_null<T: ToSchema>(self) -> Self {
        let null = RefOr::T(Schema::from(Object::with_type(Type::Null)));
        let either = OneOfBuilder::new().item(reference::<T>()).item(null).build();
        let schema = RefOr::T(Schema::from(either));
        self.negotiated(200, Typed::new::<T>(schema, with_selectable_schemas_of::<T>), true)
    }

    /// Answers 200 with the selected members of a list of this carrier, in any format.
    pub(super) fn answers_list<T: ToSchema>(self) -> Self {
        let list = Schema::Array(ArrayBuilder::new().items(reference::<T>()).build());
        let typed = Typed::new::<T>(list.into(), with_selectable_schemas_of::<T>);
        self.negotiated(200, typed, true)
    }

    /// Answers 200 with a page of rows, of which `$select` applies to the rows only.
    pub(super) fn answers_page<P: ToSchema, T: ToSchema>(self) -> Self {
        let typed = Typed::new::<P>(reference::<P>(), |schemas| {
            with_selectable_schemas_of::<T>(schemas);
            with_schemas_of::<P>(schemas);
        });
        self.negotiated(200, typed, true)
    }

    /// Answers this status with all members of this type, in any format; `$select` does not apply.
    pub(super) fn answers_whole<T: ToSchema>(self, status: u16) -> Self {
        self.negotiated(status, typed::<T>(), false)
    }

    fn negotiated(mut self, status: u16, typed: Typed, is_selectable: bool) -> Self {
        self.answer = Answer::Negotiated { status, typed: Box::new(typed), is_selectable };
        self
    }

    /// Answers 200 with a document in this media type.
    pub(super) fn answers_text(self, media_type: &'static str) -> Self {
        self.answers_one_of(&[media_type])
    }

    /// Answers 200 with a document in one of these media types.
    pub(super) fn answers_one_of(mut self, media_types: &[&'static str]) -> Self {
        self.answer = Answer::Text(media_types.to_vec());
        self
    }

    /// Adds an error to those that follow from the access of the route and from the body.
    pub(super) fn refuses(mut self, kind: ErrorKind) -> Self {
        self.refusals.push(kind);
        self
    }

    /// The summary: one sentence.
    pub(super) fn summary(&self) -> &'static str {
        self.summary
    }

    /// Adds the schemas of the request body and the response body.
    pub(super) fn add_schemas(&self, schemas: &mut Schemas) {
        let answer = match &self.answer {
            Answer::Negotiated { typed, .. } => Some(typed.as_ref()),
            Answer::Nothing | Answer::Text(_) => None,
        };
        self.body.iter().chain(answer).for_each(|typed| (typed.add)(schemas));
    }
}
