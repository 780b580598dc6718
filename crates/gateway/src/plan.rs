//! Where a call goes, as a pure function: who calls which number from where, and what the directory says right now.

use serde::{Deserialize, Serialize};

/// `sip-config/dialplan.toml`, read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialPlan {
    /// Always allowed, from any registered phone, over any limit (SPEC H6).
    pub emergency: Vec<String>,
    /// Rules for numbers that are no extension of ours, tried in order; none matches → refused.
    pub rules: Vec<Rule>,
    /// What a phone with nobody at it may call besides emergency numbers: internal extensions (SPEC B11).
    pub vacant_phone_internal: bool,
    /// The emergency trunk's name; the first trunk where empty.
    pub emergency_trunk: Option<String>,
    /// Calls of one agent or phone at once towards the outside (SPEC H8).
    pub external_calls_per_agent: u32,
    /// New outside calls of one agent or phone per minute.
    pub external_calls_per_minute: u32,
    /// Prefixes that are refused whatever the rules say (premium, satellite).
    pub barred: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Digits that the dialled number begins with; `""` matches every number.
    pub prefix: String,
    /// Shortest and longest number this rule takes, in digits.
    #[serde(default)]
    pub min_digits: Option<u8>,
    #[serde(default)]
    pub max_digits: Option<u8>,
    /// The trunk, by name.
    pub trunk: String,
    /// Digits taken from the front.
    #[serde(default)]
    pub strip: u8,
    /// Digits put before the rest.
    #[serde(default)]
    pub add: String,
}

impl Default for DialPlan {
    fn default() -> DialPlan {
        DialPlan {
            emergency: vec!["112".into(), "110".into(), "911".into()],
            rules: Vec::new(),
            vacant_phone_internal: true,
            emergency_trunk: None,
            external_calls_per_agent: 2,
            external_calls_per_minute: 10,
            barred: vec![
                "+979".into(),
                "00979".into(),
                "+88213".into(),
                "0088213".into(),
                "+88216".into(),
                "0088216".into(),
            ],
        }
    }
}
