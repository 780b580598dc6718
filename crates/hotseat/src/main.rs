//! The binary: reads the command line and hands over to the command.

mod agents;
mod audit;
mod chance;
mod cli;
mod dev;
mod given;
mod licence;
mod logins;
mod mail;
mod out;
mod phones;
mod place;
mod reload;
mod route;
mod serve;
mod sim;
mod trace;
mod ways;

use clap::Parser;
use cli::{Cli, Cmd};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            if json {
                println!("{}", serde_json::json!({ "error": format!("{error:#}") }));
            }
            eprintln!("hotseat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let (place, json) = (cli.place, cli.json);
    if !matches!(cli.command, Cmd::Serve(_) | Cmd::Dev(_)) {
        daemon::end_with_the_reader();
    }
    match cli.command {
        Cmd::Serve(args) => {
            daemon::logs::start("info,sqlx=warn", args.log_json);
            runtime()?.block_on(serve::run(&place))?;
        }
        Cmd::Dev(args) => {
            daemon::logs::start("warn,daemon=info,hotseat=info", args.log_json);
            runtime()?.block_on(dev::run(&place, &args))?;
        }
        Cmd::Check => return Ok(check(&place, json)),
        Cmd::Reload => return reload::run(&place, json),
        Cmd::Agents(what) => runtime()?.block_on(agents::run(&place, json, what))?,
        Cmd::Phones { what } => runtime()?.block_on(phones::run(&place, json, what))?,
        Cmd::Logins { what } => runtime()?.block_on(logins::run(&place, json, what))?,
        Cmd::Audit(args) => runtime()?.block_on(audit::run(&place, json, args))?,
        Cmd::Calls { limit } => runtime()?.block_on(logins::calls(&place, json, limit))?,
        Cmd::Way { login_name, way, email } => {
            runtime()?.block_on(ways::way(&place, json, &login_name, way, email))?;
        }
        Cmd::Directory(what) => {
            if !runtime()?.block_on(ways::directory(&place, json, what))? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Cmd::Oidc(what) => runtime()?.block_on(ways::oidc(&place, json, what))?,
        Cmd::Mail(what) => runtime()?.block_on(mail::run(&place, json, what))?,
        Cmd::Licence(what) => licence::run(&place, json, what)?,
        Cmd::Route { number, from } => runtime()?.block_on(route::run(&place, json, &number, &from))?,
        Cmd::Sim { seeds, from } => return Ok(sim::run(json, seeds, from)),
        Cmd::Trace { pcap, only, full } => {
            let wish = trace::Wish { only, full, json };
            match pcap {
                Some(file) => trace::file(&file, &wish)?,
                None => trace::live(&place, &wish)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Everything that is wrong with the folder, one line each; nothing wrong, one line that says so.
fn check(place: &cli::Place, json: bool) -> ExitCode {
    let dir = place.config.clone().unwrap_or_else(|| "sip-config".into());
    match daemon::Config::load(&dir) {
        Ok(config) => {
            let value = serde_json::json!({ "ok": true, "trunks": config.trunks.len(), "rules": config.dial_plan.rules.len() });
            out::one(json, &value, || {
                let (trunks, rules) = (config.trunks.len(), config.dial_plan.rules.len());
                format!("{} is in order: {trunks} trunks, {rules} rules.", dir.display())
            });
            ExitCode::SUCCESS
        }
        Err(errors) => {
            if json {
                let list: Vec<_> = errors
                    .0
                    .iter()
                    .map(|e| serde_json::json!({ "file": e.file, "line": e.line, "sentence": e.sentence }))
                    .collect();
                println!("{}", serde_json::json!({ "ok": false, "errors": list }));
            } else {
                println!("{errors}");
            }
            ExitCode::FAILURE
        }
    }
}
