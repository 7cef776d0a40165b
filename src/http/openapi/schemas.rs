//! The schemas of wire types.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, Type, schema::SchemaType},
};

/// Schemas by name.
pub(in crate::http) type Schemas = Vec<(String, RefOr<Schema>)>;

/// The schema of a type, and the named schemas that it refers to.
pub(in crate::http) struct Typed {
    pub(in crate::http) schema: RefOr<Schema>,
    /// Adds the named schemas.
    pub(in crate::http) add: fn(&mut Schemas),
    /// The schema without a reference. Code generators choose the format of a body by its type, so the
    /// type of a form must not be that of the JSON.
    pub(in crate::http) inline: RefOr<Schema>,
    /// The members that are objects.
    pub(in crate::http) nested_members: Vec<String>,
}

impl Typed {
    /// A schema with the function that adds the named schemas it refers to.
    pub(in crate::http) fn new<T: PartialSchema>(
        schema: RefOr<Schema>,
        add: fn(&mut Schemas),
    ) -> Self {
        let is_nested = |member: &RefOr<Schema>| matches!(member, RefOr::Ref(_));
        let inline = T::schema();
        let nested_members = match &inline {
            RefOr::T(Schema::Object(object)) => {
                let nested = object.properties.iter().filter(|(_, member)| is_nested(member));
                nested.map(|(name, _)| name.clone()).collect()
            }
            RefOr::T(_) | RefOr::Ref(_) => Vec::new(),
        };
        Self { schema, add, inline, nested_members }
    }
}

/// Adds the schema of a type and those that it refers to.
pub(in crate::http) fn with_schemas_of<T: ToSchema>(schemas: &mut Schemas) {
    let mut found = Vec::new();
    T::schemas(&mut found);
    if is_named::<T>() {
        found.push((T::name().into_owned(), T::schema()));
    }
    for (name, schema) in found {
        if !schemas.iter().any(|(known, _)| *known == name) {
            schemas.push((name, schema));
        }
    }
}

/// As [`with_schemas_of`], for a carrier whose members are null unless `$select` names them.
pub(in crate::http) fn with_selectable_schemas_of<T: ToSchema>(schemas: &mut Schemas) {
    let known = schemas.len();
    with_schemas_of::<T>(schemas);
    for (_, schema) in schemas.iter_mut().skip(known) {
        if let RefOr::T(Schema::Object(carrier)) = schema {
            carrier.properties.values_mut().for_each(make_nullable);
        }
    }
}

fn make_nullable(member: &mut RefOr<Schema>) {
    let schema_type = match member {
        RefOr::T(Schema::Object(object)) => &mut object.schema_type,
        RefOr::T(Schema::Array(array)) => &mut array.schema_type,
        // References are nullable already.
        RefOr::T(_) | RefOr::Ref(_) => return,
    };
    if let SchemaType::Type(single) = schema_type {
        *schema_type = SchemaType::Array(vec![single.clone(), Type::Null]);
    }
}

/// A reference to the schema of a type.
pub(in crate::http) fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

/// The schema of a type, by reference when it has a name.
pub(in crate::http) fn typed<T: ToSchema>() -> Typed {
    let schema = if is_named::<T>() { reference::<T>() } else { T::schema() };
    Typed::new::<T>(schema, with_schemas_of::<T>)
}

/// True for a carrier. The schemas of scalars and lists are written inline.
fn is_named<T: PartialSchema>() -> bool {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => !object.properties.is_empty(),
        // A carrier that has the members of another one.
        RefOr::T(Schema::AllOf(_)) => true,
        RefOr::T(_) | RefOr::Ref(_) => false,
    }
}
