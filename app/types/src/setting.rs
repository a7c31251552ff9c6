//! Settings: what holds, where it comes from, what a change would touch, and what was changed before.

use crate::{ActorView, DhcpMode, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a value comes from; the first of these that has one counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettingSource {
    Flag,
    Env,
    File,
    /// Saved by the page, REST or the command line.
    Database,
    Default,
}

/// What can be written as a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SettingKind {
    /// Free text, checked by the server.
    Text,
    /// `true` or `false`.
    Switch,
    /// One of these.
    Choice { options: Vec<String> },
    /// Several texts, with commas between them.
    List,
    /// A boot network.
    Boot,
}

/// When a change takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    AtOnce,
    AtNextStart,
}

/// A boot network as it is written; the key `boot.INTERFACE`, or `boot.NAMESPACE/INTERFACE`, names it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BootNetworkParams {
    #[serde(default)]
    pub mode: DhcpMode,
    /// What is handed out in mode full: `10.77.0.100-10.77.0.199`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The way to other networks, told to the computers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// Name servers, told to the computers, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
}

/// A value: text as the file would hold it, or a boot network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SettingValue {
    Text(String),
    Boot(BootNetworkParams),
}

/// One setting.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingView {
    /// Dotted, as in the file: `clients.unknown`; `boot.br0` for a boot network.
    pub key: String,
    /// What it does, in a sentence.
    pub about: String,
    pub kind: SettingKind,
    /// What holds.
    pub value: SettingValue,
    pub source: SettingSource,
    /// The same in full: `flag --listen`, `/etc/nsboot/nsboot.toml:3`.
    pub place: String,
    /// What is saved in the database, though something above it may hide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<SettingValue>,
    /// What would hold if nobody said anything; none for a boot network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    pub applies: Applies,
    /// A change of it goes back by itself unless it is confirmed.
    pub on_trial: bool,
}

/// A network change that waits for somebody to say that the server can still be reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrialView {
    /// Which change it is.
    pub revision: u64,
    /// When it goes back by itself.
    pub ends_at: Timestamp,
    /// Where page and REST are meanwhile: `127.0.0.1:3000`.
    pub listen: String,
    /// Whether they were elsewhere before.
    pub moved: bool,
}

/// All settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingsView {
    /// The number of the newest change; 0 when there was none.
    pub revision: u64,
    pub settings: Vec<SettingView>,
    /// What flags, environment, file and database hold that is not understood.
    pub warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialView>,
}

/// A change of settings: of several together, or none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSettingsParams {
    /// By key; null takes away what is saved, so that the default holds, or the boot network ends.
    #[cfg_attr(feature = "schema", schema(schema_with = values_schema))]
    pub values: BTreeMap<String, Option<SettingValue>>,
    /// Seconds after which a network change goes back unless it is confirmed, 10 to 600; 120 when
    /// it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_seconds: Option<u32>,
}

/// A map to [`SettingValue`] or null, which the derive can't say.
#[cfg(feature = "schema")]
fn values_schema() -> utoipa::openapi::Schema {
    use utoipa::openapi::{
        ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema,
        schema::{AdditionalProperties, Type},
    };
    let of = |kind| ObjectBuilder::new().schema_type(kind);
    let value = OneOfBuilder::new()
        .item(of(Type::Null))
        .item(of(Type::String))
        .item(Ref::from_schema_name("BootNetworkParams"));
    let value = AdditionalProperties::RefOr(RefOr::T(Schema::from(value)));
    let map = of(Type::Object)
        .additional_properties(Some(value))
        .description(Some(
            "By key; null takes away what is saved, so that the default holds, or the boot network ends.",
        ));
    Schema::from(map)
}

/// Which change is confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfirmSettingsParams {
    pub revision: u64,
}

/// One row of a difference, as saved. None stands for nothing saved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingDiffView {
    pub key: String,
    pub before: Option<SettingValue>,
    pub after: Option<SettingValue>,
}

/// Something that a change touches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingEffectView {
    pub key: String,
    /// In plain words.
    pub text: String,
    /// Names of the computers that it reaches at once.
    pub computers: Vec<String>,
}

/// What a change would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingsPreviewView {
    /// The newest change as of now: send it as `If-Match` with the change.
    pub revision: u64,
    pub changes: Vec<SettingDiffView>,
    pub effects: Vec<SettingEffectView>,
    /// Seconds in which it has to be confirmed; none when it stays by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_seconds: Option<u32>,
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevisionState {
    /// It holds, or a later one changed the same again.
    Applied,
    /// It goes back unless it is confirmed.
    OnTrial,
    /// It was a network change, and somebody confirmed it.
    Confirmed,
    /// It went back, because nobody confirmed it or it could not be made.
    Reverted,
    /// Somebody undid it.
    Undone,
}

/// One change that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingsRevisionView {
    pub number: u64,
    pub at: Timestamp,
    pub actor: ActorView,
    pub changes: Vec<SettingDiffView>,
    pub state: RevisionState,
    /// Why it went back.
    #[serde(default)]
    pub note: Option<String>,
    /// The change that this one undid.
    #[serde(default)]
    pub undoes: Option<u64>,
}
