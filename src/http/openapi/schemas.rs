//! Schemas of wire types, as the document has them.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, Type, schema::SchemaType},
};

/// Schemas by their names.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A schema by its name, if it has one, and those that it refers to.
pub(super) struct Typed {
    pub(super) schema: RefOr<Schema>,
    pub(super) add: fn(&mut Schemas),
    /// Members that are objects.
    pub(super) nested_members: Vec<String>,
}

impl Typed {
    pub(super) fn new<T: PartialSchema>(schema: RefOr<Schema>, add: fn(&mut Schemas)) -> Self {
        let is_nested = |member: &RefOr<Schema>| matches!(member, RefOr::Ref(_));
        let nested_members = match T::schema() {
            RefOr::T(Schema::Object(object)) => {
                let nested = object.properties.iter().filter(|(_, member)| is_nested(member));
                nested.map(|(name, _)| name.clone()).collect()
            }
            RefOr::T(_) | RefOr::Ref(_) => Vec::new(),
        };
        Self { schema, add, nested_members }
    }
}

/// The schemas that a type refers to, and its own.
pub(super) fn with_schemas_of<T: ToSchema>(schemas: &mut Schemas) {
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

/// As [`with_schemas_of`], of a carrier whose members are null unless they are selected.
pub(super) fn with_selectable_schemas_of<T: ToSchema>(schemas: &mut Schemas) {
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
        // References are optional already.
        RefOr::T(_) | RefOr::Ref(_) => return,
    };
    if let SchemaType::Type(of) = schema_type {
        *schema_type = SchemaType::Array(vec![of.clone(), Type::Null]);
    }
}

pub(super) fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

pub(super) fn typed<T: ToSchema>() -> Typed {
    let schema = if is_named::<T>() { reference::<T>() } else { T::schema() };
    Typed::new::<T>(schema, with_schemas_of::<T>)
}

/// True for a carrier; scalars and lists stand where they are used.
fn is_named<T: PartialSchema>() -> bool {
    matches!(T::schema(), RefOr::T(Schema::Object(object)) if !object.properties.is_empty())
}
