//! `hotseat reload`: the running service reads its configuration again and says what became of it.

use crate::cli::Place;
use crate::{out, place};
use anyhow::bail;
use std::process::ExitCode;

pub fn run(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let data_dir = match (&place.data, &place.config) {
        (Some(data), _) => data.clone(),
        // The folder may be the one with the mistake; where its data is must not depend on the rest of it.
        (None, config) => {
            daemon::config::data_dir(&config.clone().unwrap_or_else(|| place::CONFIG_DIR.into()))?
        }
    };
    let Some(answer) = daemon::control::ask(&data_dir, "reload") else {
        bail!("no service runs on {}; it reads its configuration when it starts.", data_dir.display());
    };
    if answer["reloaded"] == true {
        out::one(json, &answer, || answer["sentence"].as_str().unwrap_or("Done.").to_owned());
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        println!("{answer}");
        return Ok(ExitCode::FAILURE);
    }
    for error in answer["errors"].as_array().into_iter().flatten() {
        let (file, line) = (error["file"].as_str().unwrap_or(""), error["line"].as_u64().unwrap_or(0));
        let sentence = error["sentence"].as_str().unwrap_or("");
        match line {
            0 => println!("{file}: {sentence}"),
            line => println!("{file}:{line}: {sentence}"),
        }
    }
    eprintln!("hotseat: nothing was changed.");
    Ok(ExitCode::FAILURE)
}
