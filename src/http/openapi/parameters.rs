//! What an operation is asked beside its body: ids, languages, selections.

use utoipa::openapi::{
    Object, ObjectBuilder, Required, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::routes::{Access, Route};

/// The names in braces of a path.
pub(super) fn ids_in_path(route: &Route) -> impl Iterator<Item = &'static str> {
    let segments = route.path.split('/');
    segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// An id that has to be there: a user's is a number, any other a text.
pub(super) fn id_parameter(name: &str, parameter_in: ParameterIn, description: &str) -> Parameter {
    let of_user = name != "ticket";
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(i32::MAX))
        .build();
    let schema = if of_user { number } else { Object::with_type(Type::String) };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(parameter_in)
        .required(Required::True)
        .description(Some(description).filter(|text| !text.is_empty()))
        .schema(Some(schema))
        .build()
}

/// The parameters that every such operation has.
pub(super) fn parameters(route: &Route, is_selectable: bool) -> Vec<Parameter> {
    let parameter = |name: &str, parameter_in, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(parameter_in)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(Object::with_type(Type::String)))
            .build()
    };
    let header = |name, description| parameter(name, ParameterIn::Header, description);
    let mut parameters = vec![
        header("Accept-Language", "In which language texts are; raw `[SR_…]` names without it."),
        header("SO-Language", "Overrides Accept-Language; `*` or `x` switches translation off."),
        header("SO-Culture", "How numbers and dates inside of texts look; there are none yet."),
        header("SO-TimeZone", "In which zone dates are, such as `NO`, `261` or `Europe/Oslo`."),
    ];
    if is_selectable {
        let description =
            "Members that are wanted, separated by commas, nested with `/`; the others are null.";
        parameters.push(parameter("$select", ParameterIn::Query, description));
    }
    if route.access != Access::Anybody {
        let description = "The application's secret; looked at in online installations.";
        parameters.push(header("SO-AppToken", description));
    }
    parameters
}
