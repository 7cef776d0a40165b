//! Describes the parameters of operations: ids, languages, time zone, selection and application.

use utoipa::openapi::{
    Object, ObjectBuilder, Required, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::{
    localization::Language,
    route::{Access, Route},
};

/// The names of the path parameters.
pub(super) fn ids_in_path(route: &Route) -> impl Iterator<Item = &'static str> {
    let segments = route.path.split('/');
    segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// A required id: an integer for users, a string for tickets and for users who may also be named.
pub(super) fn id_parameter(name: &str, parameter_in: ParameterIn, description: &str) -> Parameter {
    let is_text = matches!(name, "ticket" | "user");
    let schema = if is_text { Object::with_type(Type::String) } else { id_schema() };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(parameter_in)
        .required(Required::True)
        .description(Some(description).filter(|text| !text.is_empty()))
        .schema(Some(schema))
        .build()
}

fn id_schema() -> Object {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(1)).maximum(Some(i32::MAX)).build()
}

/// An optional text in the query.
pub(in crate::http) fn text(name: &str, description: &str) -> Parameter {
    optional(name, ParameterIn::Query, description, Object::with_type(Type::String))
}

/// One of some texts, optionally, in the query.
pub(in crate::http) fn choice(name: &str, description: &str, texts: &[&str]) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts.to_vec()));
    optional(name, ParameterIn::Query, description, schema.build())
}

/// An optional id in the query.
pub(in crate::http) fn id(name: &str, description: &str) -> Parameter {
    optional(name, ParameterIn::Query, description, id_schema())
}

/// An optional integer in the query.
pub(in crate::http) fn number(name: &str, description: &str, from: u16, to: u16) -> Parameter {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(from))
        .maximum(Some(to))
        .build();
    optional(name, ParameterIn::Query, description, number)
}

/// `If-Unmodified-Since`.
pub(in crate::http) fn if_unmodified_since() -> Parameter {
    let description = "A date, as `Last-Modified` has it. The request fails with 412 if the user \
                       was changed later, or in the same second.";
    let text = Object::with_type(Type::String);
    optional("If-Unmodified-Since", ParameterIn::Header, description, text)
}

/// `Keeper-Reason`.
pub(super) fn keeper_reason() -> Parameter {
    let description = "Why the caller makes the change, as percent-encoded UTF-8 of 1 to 200 \
                       characters, for its audit events. An installation can require it.";
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build();
    optional("Keeper-Reason", ParameterIn::Header, description, text)
}

/// `If-Modified-Since`.
pub(in crate::http) fn if_modified_since() -> Parameter {
    let description = "A date, as `Last-Modified` has it. The answer is 304 if the user was not \
                       changed later.";
    let text = Object::with_type(Type::String);
    optional("If-Modified-Since", ParameterIn::Header, description, text)
}

fn optional(name: &str, parameter_in: ParameterIn, description: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(parameter_in)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// The parameters of every operation whose answers or errors are negotiated.
pub(super) fn parameters(route: &Route, is_selectable: bool) -> Vec<Parameter> {
    let parameter = |name: &str, parameter_in, description: &str| {
        optional(name, parameter_in, description, Object::with_type(Type::String))
    };
    let header = |name, description: &str| parameter(name, ParameterIn::Header, description);
    let tags = Language::tags().join("`, `");
    let languages = format!(
        "The language of texts: one of `{tags}`. By default, messages are in English and names are \
         untranslated `[SR_…]` keys."
    );
    let mut parameters = vec![
        header("Accept-Language", &languages),
        header("SO-Language", "Overrides Accept-Language; `*` or `x` disables translation."),
        header("SO-Culture", "The format of numbers and dates in messages. It has no effect yet."),
        header("SO-TimeZone", "The time zone of dates, such as `NO`, `261` or `Europe/Oslo`."),
    ];
    if is_selectable {
        let description =
            "The members to return, separated by commas, nested with `/`; all others are null.";
        parameters.push(parameter("$select", ParameterIn::Query, description));
    }
    if route.access != Access::Anybody {
        let description = "The secret of the application; checked only in online installations.";
        parameters.push(header("SO-AppToken", description));
    }
    parameters
}
