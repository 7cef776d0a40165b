//! Tells the binary what it was built as, for `--version`.

fn main() {
    for (name, variable) in
        [("CREDENTIAL_KEEPER_PROFILE", "PROFILE"), ("CREDENTIAL_KEEPER_TARGET", "TARGET")]
    {
        let value = std::env::var(variable).unwrap_or_else(|_| "unknown".to_owned());
        println!("cargo::rustc-env={name}={value}");
    }
    // A new migration must reach the binary that embeds them.
    println!("cargo::rerun-if-changed=migrations");
    // So must a new language.
    println!("cargo::rerun-if-changed=locales");
}
