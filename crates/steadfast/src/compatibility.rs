//! Flags of the reference's development server that mean nothing here.
//!
//! Some belong to parts that are built otherwise, some to the command line that server comes with. They are accepted, so
//! that whatever starts that server starts this one too, and the log says that they have no effect.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Those that are followed by a value.
const WITH_VALUE: [&str; 12] = [
    "client-connect-timeout",
    "color",
    "command-timeout",
    "config-file",
    "env",
    "env-file",
    "http-port",
    "output",
    "profile",
    "sqlite-pragma",
    "time-format",
    "ui-asset-path",
];

/// Those that stand alone.
const ALONE: [&str; 4] = [
    "disable-config-env",
    "disable-config-file",
    "no-json-shorthand-payloads",
    "ui-disable-news-fetch",
];

/// Which of them were given, with their dashes.
pub(crate) struct Meaningless {
    pub given: Vec<String>,
}

impl FromArgMatches for Meaningless {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = WITH_VALUE
            .iter()
            .chain(&ALONE)
            .filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine))
            .map(|name| format!("--{name}"))
            .collect();
        Ok(Self { given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Meaningless {
    fn augment_args(command: Command) -> Command {
        let hidden = |name: &'static str| Arg::new(name).long(name).hide(true);
        let with_value = WITH_VALUE.map(|name| hidden(name).action(ArgAction::Set));
        let alone = ALONE.map(|name| hidden(name).action(ArgAction::SetTrue));
        command.args(with_value).args(alone)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
