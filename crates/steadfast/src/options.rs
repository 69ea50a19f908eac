//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use steadfast_engine::Limits;
use steadfast_visibility::SearchAttributeType;
use steadfast_web::payload::codec::{Asked, CodecOptions, Endpoint};

use crate::compatibility::Meaningless;
use crate::dynamic_config::{self, Effect};

/// The UI is this far above the gRPC port where no other one is given.
const UI_PORT_OFFSET: u16 = 1000;

/// Steadfast: durable execution in one binary.
#[derive(Parser)]
// Of a flag given twice the last one counts: test environments of SDKs put what their users add behind what they pass.
#[command(name = "steadfast", version, args_override_self = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server.
    #[command(subcommand)]
    Server(ServerCommand),
}

#[derive(Subcommand)]
enum ServerCommand {
    /// Run a durable server: what it has acknowledged survives a crash.
    Start(StartOptions),
    /// Run a server for development and tests: in memory unless --db-filename is given.
    StartDev(StartDevOptions),
}

#[derive(Args)]
struct StartOptions {
    /// Where the state is kept.
    #[arg(long, value_name = "DIR", default_value = "./steadfast-data")]
    data_dir: PathBuf,
    /// Serve on an address that other machines reach, although nobody is asked who they are.
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Args)]
struct StartDevOptions {
    /// Keep the state on disk, in a directory of this name.
    #[arg(long, short = 'f', value_name = "PATH")]
    db_filename: Option<PathBuf>,
    /// Serve no UI.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false,
          hide_default_value = true, value_name = "BOOL", action = ArgAction::Set)]
    headless: bool,
    /// Print the settings to standard error.
    #[arg(long)]
    log_config: bool,
    #[command(flatten)]
    meaningless: Meaningless,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Args)]
struct CommonOptions {
    /// Address to serve on.
    #[arg(long, default_value = "localhost", value_parser = ip_address)]
    ip: IpAddr,
    /// Port for gRPC.
    #[arg(long, short = 'p', default_value_t = 7233)]
    port: u16,
    /// Port for the UI [default: 1000 above --port].
    #[arg(long, value_name = "PORT")]
    ui_port: Option<u16>,
    /// Address for the UI [default: that of --ip].
    #[arg(long, value_name = "IP", value_parser = ip_address)]
    ui_ip: Option<IpAddr>,
    /// Path under which the UI is shown, as behind a proxy [default: none].
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    ui_public_path: String,
    /// Codec server through which the UI shows payloads: https, or http on this machine. May be repeated: the first one is
    /// asked unless the viewer picks another, and no other ever is.
    #[arg(long, value_name = "URL", value_parser = codec_endpoint)]
    ui_codec_endpoint: Vec<String>,
    /// Who asks the codec server.
    #[arg(long, value_enum, value_name = "WHO", default_value_t = CodecAskedBy::Server)]
    ui_codec_asked_by: CodecAskedBy,
    /// Pass the viewer's authorization on to the codec server (by the browser: the cookies of its site).
    #[arg(long)]
    ui_codec_pass_credentials: bool,
    /// Port for Prometheus metrics [default: none].
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Namespace to create if it is missing, besides "default". May be repeated.
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Vec<String>,
    /// Search attribute to create in these namespaces, as Name=Type. May be repeated.
    #[arg(long, value_name = "NAME=TYPE", value_parser = search_attribute)]
    search_attribute: Vec<(String, SearchAttributeType)>,
    /// A limit in the words of the reference server, as limit.historyCount.suggestContinueAsNew=100. May be repeated;
    /// the log says which have no effect.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    dynamic_config_value: Vec<(String, String)>,
    /// What is logged [default: info, for start-dev warn].
    #[arg(long, value_enum)]
    log_level: Option<LogLevel>,
    /// How it is logged.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// Who asks the codec server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecAskedBy {
    Server,
    Browser,
}

/// What is logged: this and what is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Never,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
    Pretty,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Directory of the store; none for a store in memory.
    pub data_dir: Option<PathBuf>,
    /// Whether an address that other machines reach is meant so.
    pub reachable: bool,
    pub ip: IpAddr,
    pub port: u16,
    pub ui_ip: IpAddr,
    /// None for no UI.
    pub ui_port: Option<u16>,
    /// Path under which the UI is shown; empty for the root.
    pub ui_public_path: String,
    /// How the UI has payloads decoded.
    pub ui_codec: CodecOptions,
    /// None for no metrics.
    pub metrics_port: Option<u16>,
    /// To be created where missing.
    pub namespaces: Vec<String>,
    /// To be created in these namespaces.
    pub search_attributes: Vec<(String, SearchAttributeType)>,
    /// How far runs may grow.
    pub limits: Limits,
    /// What of the command line means nothing here.
    pub without_effect: Vec<String>,
    /// Whether these settings are shown to who starts the server.
    pub printed: bool,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
}

impl Options {
    /// # Errors
    /// One line for people.
    pub(crate) fn into_settings(self) -> Result<Settings, String> {
        let Command::Server(command) = self.command;
        Ok(match command {
            ServerCommand::Start(start) => Settings {
                data_dir: Some(start.data_dir),
                reachable: start.insecure,
                ..start.common.into_settings(LogLevel::Info)?
            },
            ServerCommand::StartDev(start) => {
                let mut settings = start.common.into_settings(LogLevel::Warn)?;
                settings.without_effect.extend(start.meaningless.given);
                Settings {
                    data_dir: start.db_filename,
                    reachable: true,
                    printed: start.log_config,
                    ui_port: settings.ui_port.filter(|_| !start.headless),
                    ..settings
                }
            }
        })
    }
}

impl CommonOptions {
    fn into_settings(self, log_level: LogLevel) -> Result<Settings, String> {
        let ui_port = self.ui_port.unwrap_or(match self.port {
            0 => 0,
            port => port.checked_add(UI_PORT_OFFSET).unwrap_or_default(),
        });
        let mut namespaces = vec!["default".to_owned()];
        for name in self.namespace {
            if !namespaces.contains(&name) {
                namespaces.push(name);
            }
        }
        let mut limits = Limits::DEFAULT;
        let mut without_effect = Vec::new();
        for (key, value) in &self.dynamic_config_value {
            if dynamic_config::apply(&mut limits, key, value)? == Effect::None {
                without_effect.push(format!("--dynamic-config-value {key}={value}"));
            }
        }
        Ok(Settings {
            data_dir: None,
            reachable: false,
            printed: false,
            ip: self.ip,
            port: self.port,
            ui_ip: self.ui_ip.unwrap_or(self.ip),
            ui_port: Some(ui_port),
            ui_public_path: self.ui_public_path,
            ui_codec: CodecOptions {
                endpoints: self.ui_codec_endpoint,
                asked: match self.ui_codec_asked_by {
                    CodecAskedBy::Server => Asked::ByServer,
                    CodecAskedBy::Browser => Asked::ByBrowser,
                },
                pass_credentials: self.ui_codec_pass_credentials,
            },
            metrics_port: self.metrics_port,
            namespaces,
            search_attributes: self.search_attribute,
            log_level: self.log_level.unwrap_or(log_level),
            log_format: self.log_format,
            limits,
            without_effect,
        })
    }
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.parse().map_err(|_| "not an IP address".to_owned()),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not of the form KEY=VALUE".to_owned()),
    }
}

fn codec_endpoint(text: &str) -> Result<String, String> {
    match Endpoint::new(text) {
        Ok(endpoint) => Ok(endpoint.url().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn search_attribute(text: &str) -> Result<(String, SearchAttributeType), String> {
    let (name, type_name) = key_value(text)?;
    let known = (1..).map_while(SearchAttributeType::from_protocol);
    let found = known
        .into_iter()
        .find(|value_type| value_type.name().eq_ignore_ascii_case(&type_name));
    found.map(|value_type| (name, value_type)).ok_or_else(|| {
        "the type is one of Text, Keyword, Int, Double, Bool, Datetime, KeywordList".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Settings, String> {
        let arguments = std::iter::once("steadfast").chain(arguments.split_whitespace());
        let options = Options::try_parse_from(arguments);
        options.map_err(|error| error.to_string())?.into_settings()
    }

    #[test]
    fn what_sdks_pass_is_taken() {
        let settings = parse(
            "server start-dev --port 4321 --namespace ns --ip 127.0.0.1 --log-format pretty --log-level warn \
             --dynamic-config-value frontend.enableServerVersionCheck=false \
             --dynamic-config-value=frontend.enableUpdateWorkflowExecution=true \
             --dynamic-config-value limit.historyCount.suggestContinueAsNew=50 --sqlite-pragma journal_mode=WAL \
             --search-attribute Size=int --search-attribute=Tags=KeywordList --headless",
        )
        .unwrap();
        assert_eq!(settings.limits.history_count_suggest, 50);
        assert_eq!(
            settings.without_effect,
            [
                "--dynamic-config-value frontend.enableUpdateWorkflowExecution=true",
                "--sqlite-pragma"
            ]
        );
        assert_eq!((settings.port, settings.ui_port), (4321, None));
        assert_eq!(settings.namespaces, ["default", "ns"]);
        assert_eq!(settings.data_dir, None);
        assert_eq!(
            settings.search_attributes,
            [
                ("Size".to_owned(), SearchAttributeType::Int),
                ("Tags".to_owned(), SearchAttributeType::KeywordList)
            ]
        );
    }

    #[test]
    fn every_flag_of_the_reference_is_taken() {
        let settings = parse(
            "server start-dev -f data -p 4321 --ip 127.0.0.1 -n a -n b --headless=false --ui-port 4322 --ui-ip ::1 \
             --http-port 4323 --metrics-port 4324 --log-config --log-level error --log-format json \
             --search-attribute Size=Int --dynamic-config-value history.enableChasm=true --sqlite-pragma a=b \
             --sqlite-pragma c=d --ui-asset-path assets --ui-codec-endpoint http://localhost:8081 \
             --ui-disable-news-fetch --ui-public-path /ui --client-connect-timeout 1s --color never \
             --command-timeout 1s --config-file x --disable-config-env --disable-config-file --env x --env-file x \
             --no-json-shorthand-payloads --output json --profile x --time-format iso",
        )
        .unwrap();
        assert!(settings.printed);
        assert_eq!((settings.port, settings.ui_port), (4321, Some(4322)));
        assert_eq!(settings.without_effect.len(), 17);
        assert_eq!(
            settings.without_effect[..2],
            [
                "--dynamic-config-value history.enableChasm=true",
                "--client-connect-timeout"
            ]
        );
        assert!(parse("server start --http-port 4323").is_err());
    }

    #[test]
    fn what_users_add_counts_more_than_what_their_sdk_passes() {
        let settings = parse(
            "server start-dev --port 1 --log-level warn --headless --namespace a --port 2 --log-level debug \
             --headless=false --namespace b",
        )
        .unwrap();
        assert_eq!((settings.port, settings.ui_port), (2, Some(1002)));
        assert_eq!(settings.log_level, LogLevel::Debug);
        assert_eq!(settings.namespaces, ["default", "a", "b"]);
    }

    #[test]
    fn the_durable_server_has_its_defaults() {
        let settings = parse("server start").unwrap();
        assert_eq!(settings.data_dir, Some("./steadfast-data".into()));
        assert_eq!((settings.port, settings.ui_port), (7233, Some(8233)));
        assert!(!settings.reachable && settings.ip.is_loopback());
        assert_eq!(settings.log_level, LogLevel::Info);
        assert!(
            parse("server start --ip 0.0.0.0 --insecure")
                .unwrap()
                .reachable
        );
    }

    #[test]
    fn codecs_are_a_list() {
        let settings = parse(
            "server start-dev --ui-codec-endpoint https://a.example/x/ --ui-codec-endpoint http://localhost:8081 \
             --ui-codec-asked-by browser",
        );
        let codec = settings.unwrap().ui_codec;
        assert_eq!(
            codec.endpoints,
            ["https://a.example/x", "http://localhost:8081"]
        );
        assert_eq!(
            (codec.asked, codec.pass_credentials),
            (Asked::ByBrowser, false)
        );
    }

    #[test]
    fn wrong_flags_are_refused() {
        for wrong in [
            "server start --headless",
            "server start-dev --headless=maybe",
            "server start-dev --http-port",
            "server start-dev --port x",
            "server start-dev --ip nowhere",
            "server start-dev --search-attribute Size",
            "server start-dev --search-attribute Size=Long",
            "server start-dev --log-level loud",
            "server start --ui-codec-endpoint http://codec.example",
            "server start --ui-codec-asked-by nobody",
            "server start-dev --dynamic-config-value limit.historyCount.error=many",
            "server stop",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
