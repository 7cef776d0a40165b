//! Reads the arguments of macros and of attributes. `syn::visit` does not enter them.

use syn::{
    Block, Expr, Ident, LitStr, Macro, Pat, Stmt, Token, Visibility, braced, bracketed,
    ext::IdentExt,
    parenthesized,
    parse::{ParseBuffer, ParseStream, Parser, discouraged::Speculative},
    token,
    visit::Visit,
};

/// Visits the expressions, patterns and statements in the arguments of a macro, also in arguments
/// with a grammar of their own, such as those of `tokio::select!` and `json!`.
pub(crate) fn visit_arguments<V>(visitor: &mut V, call: &Macro)
where
    V: for<'ast> Visit<'ast>,
{
    let mut code = Code::default();
    let name = call.path.segments.last().map(|segment| segment.ident.to_string());
    let has_pattern = name.is_some_and(|name| name.ends_with("matches"));
    let read = |input: ParseStream<'_>| {
        if has_pattern {
            code.read_value_and_pattern(input);
        }
        code.read(input)
    };
    // After an error, the code before it counts.
    let _ = read.parse2(call.tokens.clone());
    for expression in &code.expressions {
        visitor.visit_expr(expression);
    }
    for pattern in &code.patterns {
        visitor.visit_pat(pattern);
    }
    for statement in &code.statements {
        visitor.visit_stmt(statement);
    }
}

/// The code in a list of tokens.
#[derive(Default)]
struct Code {
    expressions: Vec<Expr>,
    patterns: Vec<Pat>,
    statements: Vec<Stmt>,
}

impl Code {
    /// Reads the start of the arguments of `matches!`.
    fn read_value_and_pattern(&mut self, input: ParseStream<'_>) {
        let ahead = input.fork();
        if let Ok(value) = ahead.parse::<Expr>()
            && ahead.parse::<Token![,]>().is_ok()
            && let Ok(pattern) = Pat::parse_multi_with_leading_vert(&ahead)
        {
            self.expressions.push(value);
            self.patterns.push(pattern);
            input.advance_to(&ahead);
        }
    }

    /// Reads statements, or else all code between other tokens.
    fn read(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let ahead = input.fork();
        if let Ok(statements) = Block::parse_within(&ahead)
            && ahead.is_empty()
        {
            self.statements.extend(statements);
            input.advance_to(&ahead);
        }
        while !input.is_empty() {
            self.read_next(input)?;
        }
        Ok(())
    }

    /// Reads a block, a pattern, an expression, a group or one other token.
    fn read_next(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // A block first, because an expression can continue after it: `{} (a, b)` is a call.
        if input.peek(token::Brace)
            && let Some(content) = group(input)?
        {
            return self.read(&content);
        }
        let ahead = input.fork();
        if let Ok(pattern) = Pat::parse_multi_with_leading_vert(&ahead) {
            if ahead.peek(Token![=>]) {
                // The pattern of an arm, or the expression of a branch of `select!`: read as both.
                self.patterns.push(pattern);
            } else if ahead.peek(Token![if]) || is_before_equals_sign(&ahead) {
                self.patterns.push(pattern);
                input.advance_to(&ahead);
                return Ok(());
            }
        }
        let ahead = input.fork();
        if let Ok(expression) = ahead.parse::<Expr>() {
            self.expressions.push(expression);
            input.advance_to(&ahead);
            return Ok(());
        }
        match group(input)? {
            Some(content) => self.read(&content),
            None => skip(input),
        }
    }
}

/// True before the `=` after the pattern of a branch, or after the name of an argument.
fn is_before_equals_sign(input: ParseStream<'_>) -> bool {
    input.peek(Token![=]) && !input.peek(Token![==])
}

/// Returns the paths and texts in a list of tokens.
///
/// # Errors
/// When a group cannot be read, which does not occur in tokens of a source file.
pub(crate) fn names(input: ParseStream<'_>) -> syn::Result<Names> {
    let mut names = Names::default();
    names.read(input, &[])?;
    Ok(names)
}

/// The paths and texts in a list of tokens.
#[derive(Default)]
pub(crate) struct Names {
    /// Each path by its names; a path may have one name only.
    pub(crate) paths: Vec<Vec<String>>,
    pub(crate) texts: Vec<String>,
}

impl Names {
    /// `prefix`: the path before braces, as in `crate::{a, b}`.
    fn read(&mut self, input: ParseStream<'_>, prefix: &[String]) -> syn::Result<()> {
        while !input.is_empty() {
            if input.peek(Token![pub]) {
                // `pub(in crate::http)` imports nothing. In a definition of a macro, it may contain
                // a parameter; the error leaves its tokens to the next rounds.
                let _ = input.parse::<Visibility>();
            } else if input.peek(Ident::peek_any) {
                self.read_path(input, prefix)?;
            } else if input.peek(LitStr) {
                self.texts.push(input.parse::<LitStr>()?.value());
            } else if let Some(content) = group(input)? {
                self.read(&content, &[])?;
            } else {
                skip(input)?;
            }
        }
        Ok(())
    }

    fn read_path(&mut self, input: ParseStream<'_>, prefix: &[String]) -> syn::Result<()> {
        let mut path = prefix.to_vec();
        path.push(input.call(Ident::parse_any)?.unraw().to_string());
        while input.parse::<Option<Token![::]>>()?.is_some() {
            if input.peek(Ident::peek_any) {
                path.push(input.call(Ident::parse_any)?.unraw().to_string());
            } else if input.peek(token::Brace)
                && let Some(content) = group(input)?
            {
                return self.read(&content, &path);
            } else {
                // Arguments of a type, a glob, or a parameter of a macro.
                break;
            }
        }
        self.paths.push(path);
        Ok(())
    }
}

/// The content of a group in parentheses, brackets or braces; `None` if the next token is no group.
fn group<'tokens>(input: &ParseBuffer<'tokens>) -> syn::Result<Option<ParseBuffer<'tokens>>> {
    let content;
    if input.peek(token::Paren) {
        parenthesized!(content in input);
    } else if input.peek(token::Bracket) {
        bracketed!(content in input);
    } else if input.peek(token::Brace) {
        braced!(content in input);
    } else {
        return Ok(None);
    }
    Ok(Some(content))
}

/// Skips a token, or a group of tokens in parentheses.
///
/// # Errors
/// When there is none.
pub(crate) fn skip(input: ParseStream<'_>) -> syn::Result<()> {
    input.step(|cursor| {
        let (_, rest) = cursor.token_tree().ok_or_else(|| cursor.error("expected a token"))?;
        Ok(((), rest))
    })
}
