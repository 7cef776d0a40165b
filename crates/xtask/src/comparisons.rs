//! Finds comparisons of secrets whose duration depends on the secrets.
//!
//! Secrets, digests, MACs, tokens and XSRF values are compared with `ct_eq` of the `subtle` crate. The
//! types of the operands are not known here, so their names decide: the last word of `expected_mac` is
//! `mac`. A comparison with a literal, a constant or a variant of an enum is accepted, because that is
//! no secret.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use syn::{
    BinOp, Expr, ExprBinary, ExprMethodCall, Fields, Item, Macro, Member, Token, Type,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use crate::{
    macro_arguments::visit_arguments,
    modules::{ModuleTree, is_for_tests},
};

/// The last words of the names of values that are compared in constant time.
const SECRETS: &[&str] = &[
    "binding",
    "cookie",
    "digest",
    "hash",
    "hmac",
    "mac",
    "nonce",
    "output",
    "password",
    "random",
    "secret",
    "sha256",
    "signature",
    "tag",
    "ticket",
    "token",
    "xsrf",
];

/// Methods that return their receiver in another form.
const CONVERSIONS: &[&str] = &[
    "as_bytes",
    "as_deref",
    "as_ref",
    "as_slice",
    "as_str",
    "clone",
    "cloned",
    "copied",
    "iter",
    "to_owned",
    "to_vec",
    "trim_ascii",
];

/// Methods that compare their receiver with their argument.
const COMPARISONS: &[&str] = &[
    "cmp",
    "contains",
    "ends_with",
    "eq",
    "eq_ignore_ascii_case",
    "ne",
    "partial_cmp",
    "starts_with",
];

/// Names that look like secrets and are none, each with its file and the reason.
const PUBLIC: &[(&str, &str, &str)] = &[
    ("crates/hashing-engine/src/fuzz_support.rs", "output", "the input of a fuzz target"),
    ("crates/hashing-engine/src/kernel.rs", "tag", "the self-test hashes a text that is known"),
    (
        "crates/hashing-engine/src/verification_key.rs",
        "VerificationDigest",
        "the key of a map; nobody can compute one without the key of this process",
    ),
    ("src/cli/development/postgres.rs", "output", "what a command printed"),
    ("src/cli/import/checkpoint.rs", "sha256", "the checksum of a file of the operator"),
    ("src/directory/ber.rs", "tag", "the type of an element of LDAP"),
    ("src/http/localization/language.rs", "tag", "a language"),
    ("src/http/localization/texts.rs", "tag", "a language"),
    ("src/http/pages/admin/change_user.rs", "signature", "the version of a user; the page has it"),
    ("src/http/secret_headers.rs", "secret", "the name of a header"),
    ("src/key_wrapping/pkcs11/mod.rs", "token", "the label of a token"),
    ("src/service/authentication/password.rs", "password", "the name of a credential type"),
    ("src/service/users/saving.rs", "user_signature", "the version of a user; its reader has it"),
];

/// One message for each comparison of a secret.
pub(crate) fn of_secrets(tree: &ModuleTree) -> Vec<String> {
    let mut found: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
    for module in tree.values() {
        let mut visitor = Comparisons { names: found.entry(&module.file).or_default() };
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    let mut problems = Vec::new();
    for (file, names) in &found {
        let public: BTreeSet<_> = PUBLIC
            .iter()
            .filter(|public| *file == Path::new(public.0))
            .map(|entry| entry.1)
            .collect();
        for name in names.iter().filter(|name| !public.contains(name.as_str())) {
            problems.push(format!(
                "{} compares `{name}` in variable time: use ct_eq of subtle, or give the reason why \
                 it is no secret in PUBLIC of crates/xtask/src/comparisons.rs",
                file.display()
            ));
        }
        for name in public.into_iter().filter(|name| !names.contains(*name)) {
            problems.push(format!(
                "{} does not compare `{name}`: remove it from PUBLIC of \
                 crates/xtask/src/comparisons.rs",
                file.display()
            ));
        }
    }
    problems
}

/// Collects the names of compared secrets.
struct Comparisons<'names> {
    names: &'names mut BTreeSet<String>,
}

impl Comparisons<'_> {
    fn compare(&mut self, left: &Expr, right: &Expr) {
        if !is_constant(left) && !is_constant(right) {
            self.names.extend([left, right].into_iter().filter_map(secret_name));
        }
    }

    /// A type that derives a comparison compares each field in variable time.
    fn derived(&mut self, attributes: &[syn::Attribute], name: &syn::Ident, fields: &Fields) {
        if !derives_comparison(attributes) {
            return;
        }
        for field in fields.iter().filter(|field| is_text_or_bytes(&field.ty)) {
            let name = field.ident.as_ref().unwrap_or(name).to_string();
            self.names.extend(is_secret(&name).then_some(name));
        }
    }
}

impl<'ast> Visit<'ast> for Comparisons<'_> {
    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let compares = matches!(
            binary.op,
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
        );
        if compares {
            self.compare(&binary.left, &binary.right);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.args.len() == 1
            && let Some(argument) = call.args.first()
            && COMPARISONS.contains(&call.method.to_string().as_str())
        {
            self.compare(&call.receiver, argument);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit_arguments(self, call);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => self.derived(&item.attrs, &item.ident, &item.fields),
            Item::Enum(item) => {
                for variant in &item.variants {
                    self.derived(&item.attrs, &variant.ident, &variant.fields);
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !is_for_tests(&method.attrs) {
            visit::visit_impl_item_fn(self, method);
        }
    }
}

/// True for a literal, a constant and a variant of an enum.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Lit(_) => true,
        Expr::Reference(inner) => is_constant(&inner.expr),
        Expr::Unary(inner) => is_constant(&inner.expr),
        Expr::Paren(inner) => is_constant(&inner.expr),
        Expr::Field(inner) => is_constant(&inner.base),
        Expr::Array(inner) => inner.elems.iter().all(is_constant),
        Expr::Tuple(inner) => inner.elems.iter().all(is_constant),
        Expr::Call(inner) => is_constant(&inner.func) && inner.args.iter().all(is_constant),
        Expr::MethodCall(inner) => is_conversion(inner) && is_constant(&inner.receiver),
        Expr::Path(inner) => inner.path.segments.last().is_some_and(|segment| {
            segment.ident.to_string().starts_with(|first: char| first.is_ascii_uppercase())
        }),
        _ => false,
    }
}

/// The name of the secret in an operand; `None` if it is no secret.
fn secret_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Reference(inner) => secret_name(&inner.expr),
        Expr::Unary(inner) => secret_name(&inner.expr),
        Expr::Paren(inner) => secret_name(&inner.expr),
        Expr::Try(inner) => secret_name(&inner.expr),
        Expr::Index(inner) => secret_name(&inner.expr),
        Expr::Array(inner) => inner.elems.iter().find_map(secret_name),
        Expr::Tuple(inner) => inner.elems.iter().find_map(secret_name),
        Expr::Field(field) => match &field.member {
            Member::Named(name) => named(name),
            Member::Unnamed(_) => secret_name(&field.base),
        },
        Expr::MethodCall(call) if call.method == "expose_secret" => Some(call.method.to_string()),
        Expr::MethodCall(call) if is_conversion(call) => secret_name(&call.receiver),
        Expr::MethodCall(call) => named(&call.method),
        Expr::Call(call) if is_constant(&call.func) => call.args.iter().find_map(secret_name),
        Expr::Call(call) => secret_name(&call.func),
        Expr::Path(path) => named(&path.path.segments.last()?.ident),
        _ => None,
    }
}

fn is_conversion(call: &ExprMethodCall) -> bool {
    CONVERSIONS.contains(&call.method.to_string().as_str())
}

fn named(name: &syn::Ident) -> Option<String> {
    Some(name.to_string()).filter(|name| is_secret(name))
}

/// True when the last word of a name, in the singular, is that of a secret.
fn is_secret(name: &str) -> bool {
    let start = name.rfind(|letter: char| letter == '_' || letter.is_ascii_uppercase());
    let last = name[start.unwrap_or(0)..].trim_start_matches('_').to_ascii_lowercase();
    SECRETS.contains(&last.as_str()) || SECRETS.contains(&last.trim_end_matches('s'))
}

fn derives_comparison(attributes: &[syn::Attribute]) -> bool {
    let paths = Punctuated::<syn::Path, Token![,]>::parse_terminated;
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let derived = attribute.parse_args_with(paths);
        derived.is_ok_and(|paths| paths.iter().any(|path| path.is_ident("PartialEq")))
    })
}

/// True for texts and bytes. The names of numbers and enums are often those of secrets.
fn is_text_or_bytes(field: &Type) -> bool {
    struct Names(bool);
    impl<'ast> Visit<'ast> for Names {
        fn visit_ident(&mut self, name: &'ast syn::Ident) {
            self.0 |= ["str", "u8", "String", "Text", "Zeroizing"].iter().any(|text| name == text);
        }
    }
    let is_constant = matches!(
        field,
        Type::Reference(text) if text.lifetime.as_ref().is_some_and(|life| life.ident == "static")
    );
    let is_number = matches!(field, Type::Path(path) if path.path.is_ident("u8"));
    let mut names = Names(false);
    names.visit_type(field);
    names.0 && !is_constant && !is_number
}
