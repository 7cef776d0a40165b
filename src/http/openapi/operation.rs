//! One operation: what an endpoint says about itself, and what its access adds.

use std::collections::BTreeSet;

use utoipa::{
    ToSchema,
    openapi::{
        ArrayBuilder, Content, ContentBuilder, HeaderBuilder, Object, ObjectBuilder, OneOfBuilder,
        Ref, RefOr, Required, ResponseBuilder, Schema, Type,
        encoding::EncodingBuilder,
        path::{self, OperationBuilder, ParameterIn, ParameterStyle},
        request_body::RequestBodyBuilder,
        security as described,
    },
};

use super::{
    parameters::{id_parameter, ids_in_path, parameters},
    schemas::{Schemas, Typed, reference, typed, with_selectable_schemas_of},
};
use crate::http::{
    error::{BodyFault, ErrorKind, MissingRight},
    negotiation::media_types,
    routes::{Access, Route},
};

/// Names of the schemes in the document.
pub(super) mod schemes {
    pub(in crate::http::openapi) const BASIC: &str = "Basic";
    pub(in crate::http::openapi) const SO_TICKET: &str = "SoTicket";
    pub(in crate::http::openapi) const BEARER: &str = "Bearer";
    pub(in crate::http::openapi) const SESSION: &str = "Session";
    pub(in crate::http::openapi) const XSRF: &str = "Xsrf";
}

/// What an endpoint says about itself.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(in crate::http) struct Operation {
    summary: &'static str,
    body: Option<Typed>,
    is_body_required: bool,
    /// False for what a form cannot say.
    has_form: bool,
    /// Ids in the query: name and description.
    query: Vec<(&'static str, &'static str)>,
    answer: Answer,
    /// True when browsers get a page instead.
    may_be_a_page: bool,
    /// True when a page's form is answered with a redirection.
    redirects_forms: bool,
    refusals: Vec<ErrorKind>,
}

/// The answer when all is well.
enum Answer {
    /// In the negotiated format, with this status; perhaps with the members that are selected.
    Negotiated { status: u16, typed: Box<Typed>, is_selectable: bool },
    /// 204.
    Nothing,
    /// In this one media type.
    Text(&'static str),
}

impl Operation {
    /// An operation that answers nothing yet.
    pub(in crate::http) fn new(summary: &'static str) -> Self {
        Self {
            summary,
            body: None,
            is_body_required: true,
            has_form: true,
            query: Vec::new(),
            answer: Answer::Nothing,
            may_be_a_page: false,
            redirects_forms: false,
            refusals: Vec::new(),
        }
    }

    /// With a body like this, in any format.
    pub(in crate::http) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(typed::<T>());
        self
    }

    /// With a body like this, or without.
    pub(in crate::http) fn takes_perhaps<T: ToSchema>(mut self) -> Self {
        self.is_body_required = false;
        self.takes::<T>()
    }

    /// With a body that is a list of ids, in any format that has lists.
    pub(in crate::http) fn takes_list_of_ids(mut self) -> Self {
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

    /// With an id in the query.
    pub(in crate::http) fn asks(mut self, name: &'static str, description: &'static str) -> Self {
        self.query.push((name, description));
        self
    }

    /// Browsers get a page instead.
    pub(in crate::http) fn may_be_a_page(mut self) -> Self {
        self.may_be_a_page = true;
        self
    }

    /// A page's form is answered with a redirection.
    pub(in crate::http) fn redirects_forms(mut self) -> Self {
        self.redirects_forms = true;
        self
    }

    /// Answers 200 with this scalar, in any format.
    pub(in crate::http) fn answers<T: ToSchema>(self) -> Self {
        self.negotiated(200, typed::<T>(), true)
    }

    /// Answers 200 with the selected members of this carrier, in any format.
    pub(in crate::http) fn answers_carrier<T: ToSchema>(self) -> Self {
        let typed = Typed::new::<T>(reference::<T>(), with_selectable_schemas_of::<T>);
        self.negotiated(200, typed, true)
    }

    /// As [`Self::answers_carrier`], or null where there is none.
    pub(in crate::http) fn answers_carrier_or_null<T: ToSchema>(self) -> Self {
        let null = RefOr::T(Schema::from(Object::with_type(Type::Null)));
        let either = OneOfBuilder::new().item(reference::<T>()).item(null).build();
        let schema = RefOr::T(Schema::from(either));
        self.negotiated(200, Typed::new::<T>(schema, with_selectable_schemas_of::<T>), true)
    }

    /// Answers 200 with the selected members of a list of this carrier, in any format.
    pub(in crate::http) fn answers_list<T: ToSchema>(self) -> Self {
        let list = Schema::Array(ArrayBuilder::new().items(reference::<T>()).build());
        let typed = Typed::new::<T>(list.into(), with_selectable_schemas_of::<T>);
        self.negotiated(200, typed, true)
    }

    /// Answers that status with the whole of this, in any format.
    pub(in crate::http) fn answers_whole<T: ToSchema>(self, status: u16) -> Self {
        self.negotiated(status, typed::<T>(), false)
    }

    fn negotiated(mut self, status: u16, typed: Typed, is_selectable: bool) -> Self {
        self.answer = Answer::Negotiated { status, typed: Box::new(typed), is_selectable };
        self
    }

    /// Answers 200 in that one media type.
    pub(in crate::http) fn answers_text(mut self, media_type: &'static str) -> Self {
        self.answer = Answer::Text(media_type);
        self
    }

    /// May refuse like this, besides what its access and its body bring.
    pub(in crate::http) fn refuses(mut self, kind: ErrorKind) -> Self {
        self.refusals.push(kind);
        self
    }

    /// One sentence.
    pub(in crate::http) fn summary(&self) -> &'static str {
        self.summary
    }

    pub(super) fn add_schemas(&self, schemas: &mut Schemas) {
        let answer = match &self.answer {
            Answer::Negotiated { typed, .. } => Some(typed.as_ref()),
            Answer::Nothing | Answer::Text(_) => None,
        };
        self.body.iter().chain(answer).for_each(|typed| (typed.add)(schemas));
    }

    /// The operation in the document.
    pub(super) fn describe(&self, route: &Route) -> path::Operation {
        let id = route.path.trim_start_matches('/').replace('/', ".").replace("api.v1.", "");
        let mut operation = OperationBuilder::new()
            .operation_id(Some(format!("{}.{id}", route.method.as_str().to_lowercase())))
            .summary(Some(self.summary))
            .tag(tag(route));
        if let Some(typed) = &self.body {
            let mut body =
                RequestBodyBuilder::new().required(Some(required(self.is_body_required)));
            let is_for = |(_, is_form): &(&str, bool)| self.has_form || !is_form;
            for (media_type, is_form) in media_types::of_requests().filter(is_for) {
                body = body.content(media_type, self.body_content(typed, is_form));
            }
            operation = operation.request_body(Some(body.build()));
        }
        let ids = ids_in_path(route).map(|name| id_parameter(name, ParameterIn::Path, "")).chain(
            self.query
                .iter()
                .map(|(name, description)| id_parameter(name, ParameterIn::Query, description)),
        );
        operation = ids.fold(operation, OperationBuilder::parameter);
        if let Answer::Negotiated { is_selectable, .. } = self.answer {
            operation = parameters(route, is_selectable)
                .into_iter()
                .fold(operation, OperationBuilder::parameter);
        }
        if route.access != Access::Anybody {
            operation = securities().into_iter().fold(operation, OperationBuilder::security);
        }
        let (status, response) = self.success();
        operation = operation.response(status, response);
        for status in self.refused_statuses(route) {
            let response = if self.may_be_a_page && matches!(status, 401 | 403 | 429) {
                refusal(status).content("text/html", text_content()).build().into()
            } else {
                RefOr::Ref(Ref::from_response_name(refusal_name(status)))
            };
            operation = operation.response(status.to_string(), response);
        }
        if self.redirects_forms {
            let response = ResponseBuilder::new().description("To the next page, for forms.");
            operation = operation.response("303", response.build());
        }
        operation.build()
    }

    /// A body in one media type. Forms have no null, and write nested members in brackets.
    fn body_content(&self, typed: &Typed, is_form: bool) -> Content {
        if is_form {
            let nested = typed.nested_members.iter();
            let encoding = || {
                EncodingBuilder::new().style(Some(ParameterStyle::DeepObject)).explode(Some(true))
            };
            return nested
                .fold(ContentBuilder::new().schema(Some(typed.schema.clone())), |content, name| {
                    content.encoding(name.as_str(), encoding().build())
                })
                .build();
        }
        if self.is_body_required {
            return Content::new(Some(typed.schema.clone()));
        }
        let null = RefOr::T(Schema::from(Object::with_type(Type::Null)));
        let either = OneOfBuilder::new().item(typed.schema.clone()).item(null).build();
        Content::new(Some(RefOr::T(Schema::from(either))))
    }

    fn success(&self) -> (String, utoipa::openapi::Response) {
        let response = ResponseBuilder::new();
        match &self.answer {
            Answer::Nothing => ("204".to_owned(), response.description("Done.").build()),
            Answer::Text(media_type) => {
                let is_text = media_type.starts_with("text/");
                let content = if is_text { text_content() } else { Content::default() };
                let response = response.description("The document.").content(*media_type, content);
                ("200".to_owned(), response.build())
            }
            Answer::Negotiated { status, typed, .. } => {
                let mut response = media_types::of_answers().fold(
                    response.description("Done."),
                    |response, media_type| {
                        response.content(media_type, Content::new(Some(typed.schema.clone())))
                    },
                );
                if self.may_be_a_page {
                    response = response.content("text/html", text_content());
                }
                (status.to_string(), response.build())
            }
        }
    }

    /// With which statuses this operation may refuse.
    fn refused_statuses(&self, route: &Route) -> BTreeSet<u16> {
        let mut kinds = vec![
            ErrorKind::MalformedBody(BodyFault::Framework),
            ErrorKind::BodyTooLarge,
            ErrorKind::UriTooLong,
            ErrorKind::HeadersTooLarge,
            ErrorKind::MisdirectedRequest,
            ErrorKind::Internal,
            ErrorKind::DatabaseUnavailable,
            ErrorKind::ShuttingDown,
        ];
        if self.body.is_some() || !self.query.is_empty() {
            kinds.extend(ErrorKind::of_bodies());
        }
        if route.access != Access::Anybody {
            kinds.extend([
                ErrorKind::Unauthenticated,
                ErrorKind::XsrfMissing,
                ErrorKind::XsrfWrong,
                ErrorKind::Forbidden(MissingRight::OnlineSession),
                ErrorKind::TooManyAttempts { retry_after: None },
                ErrorKind::KeyUnavailable,
            ]);
        }
        if route.access == Access::Agent {
            kinds.push(ErrorKind::ApplicationNotTrusted);
        }
        kinds.iter().chain(&self.refusals).map(|kind| kind.row().0.as_u16()).collect()
    }
}

/// Every status of the table with its codes, by the name that operations refer to.
pub(super) fn refusals() -> impl Iterator<Item = (String, utoipa::openapi::Response)> {
    let samples = ErrorKind::samples();
    let statuses: BTreeSet<u16> = samples.iter().map(|kind| kind.row().0.as_u16()).collect();
    statuses.into_iter().map(|status| (refusal_name(status), refusal(status).build()))
}

fn refusal_name(status: u16) -> String {
    format!("Error{status}")
}

fn refusal(status: u16) -> ResponseBuilder {
    let samples = ErrorKind::samples();
    let of_status = samples.iter().filter(|kind| kind.row().0.as_u16() == status);
    let codes: BTreeSet<_> = of_status.map(|kind| format!("`{}`", kind.code())).collect();
    let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
    let mut response = ResponseBuilder::new().description(format!("Code {codes}."));
    for media_type in media_types::of_answers() {
        response = response.content(media_type, Content::new(Some(Ref::from_schema_name("Error"))));
    }
    let text = || Some(Object::with_type(Type::String));
    for (of, header) in
        [(401, "WWW-Authenticate"), (429, "Retry-After"), (503, "Retry-After"), (405, "Allow")]
    {
        if status == of {
            response = response.header(header, HeaderBuilder::new().schema(text()).build());
        }
    }
    response
}

fn text_content() -> Content {
    Content::new(Some(RefOr::T(Schema::from(Object::with_type(Type::String)))))
}

fn required(is_required: bool) -> Required {
    if is_required { Required::True } else { Required::False }
}

fn tag(route: &Route) -> &'static str {
    let is_under = |prefix: &str| route.path.starts_with(prefix);
    if is_under("/api/v1/Agents/") {
        "User agent"
    } else if is_under("/api/v1/User/") {
        "User"
    } else if is_under("/keeper/") {
        "Additions of this service"
    } else {
        "Pages and documents"
    }
}

fn securities() -> [described::SecurityRequirement; 4] {
    let none: [&str; 0] = [];
    [
        described::SecurityRequirement::new(schemes::BASIC, none),
        described::SecurityRequirement::new(schemes::SO_TICKET, none),
        described::SecurityRequirement::new(schemes::BEARER, none),
        described::SecurityRequirement::new(schemes::SESSION, none).add(schemes::XSRF, none),
    ]
}
