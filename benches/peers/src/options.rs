//! The arguments.

use std::{path::PathBuf, time::Duration};

pub(crate) const USAGE: &str = "\
usage: script/bench peers [--binary FILE] [--rounds N] [--seconds N] [--connections N,N…]
                          [--write | --check]";

/// The numbers of connections of the published tables.
pub(crate) const CONNECTIONS: [usize; 4] = [1, 8, 64, 512];

/// The arguments of a run.
#[derive(Debug)]
pub(crate) struct Options {
    /// The program of the service.
    pub(crate) binary: PathBuf,
    pub(crate) rounds: usize,
    /// The duration of each measurement.
    pub(crate) duration: Duration,
    pub(crate) connections: Vec<usize>,
    /// Write tables and plot into the documents.
    pub(crate) write: bool,
    /// Check the answers of all servers, and measure nothing.
    pub(crate) only_answers: bool,
}

impl Options {
    /// # Errors
    /// The argument that is wrong, and what it should be.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            binary: PathBuf::from("target/release/credential-keeper"),
            rounds: 3,
            duration: Duration::from_secs(5),
            connections: CONNECTIONS.to_vec(),
            write: false,
            only_answers: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--binary" => options.binary = PathBuf::from(value()?),
                "--rounds" => options.rounds = number(&name, &value()?)?,
                "--seconds" => {
                    let seconds = number(&name, &value()?)?;
                    options.duration = Duration::from_secs(u64::try_from(seconds).expect("small"));
                }
                "--connections" => {
                    let sizes = value()?;
                    options.connections = sizes
                        .split(',')
                        .map(|size| number(&name, size))
                        .collect::<Result<_, _>>()?;
                }
                "--write" => options.write = true,
                "--check" => options.only_answers = true,
                _ => return Err(format!("unknown argument: {name}")),
            }
        }
        if options.write && options.connections != CONNECTIONS {
            return Err("--write publishes the numbers of connections 1,8,64,512; \
                        omit --connections"
                .to_owned());
        }
        Ok(options)
    }

    /// The number of callers; each connection is another one.
    pub(crate) fn callers(&self) -> usize {
        self.connections.iter().copied().max().unwrap_or(1).max(2)
    }
}

fn number(name: &str, text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=1000).contains(number))
        .ok_or_else(|| format!("{name} needs numbers from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn arguments_change_the_defaults() {
        let options = parse(&["--rounds", "1", "--seconds", "2", "--connections", "8,64"]).unwrap();
        assert_eq!((options.rounds, options.duration), (1, Duration::from_secs(2)));
        assert_eq!((options.connections.as_slice(), options.callers()), (&[8, 64][..], 64));
    }

    #[test]
    fn wrong_arguments_are_named_with_the_next_step() {
        for (arguments, error) in [
            (&["--rounds"][..], "--rounds needs a value"),
            (&["--rounds", "0"], "--rounds needs numbers from 1 to 1000"),
            (&["--connections", "8,x"], "--connections needs numbers from 1 to 1000"),
            (&["--fast"], "unknown argument: --fast"),
            (&["--write", "--connections", "8"], "omit --connections"),
        ] {
            let refused = parse(arguments).unwrap_err();
            assert!(refused.contains(error), "{arguments:?}: {refused}");
        }
    }
}
