//! An example of each body of the API, put into its description. They stand in a file beside this one,
//! as they would be on the wire; a test reads each as the type that it is an example of.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::openapi::{Components, RefOr, Schema};

static EXAMPLES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    // A test holds the file readable; without it the description has no examples.
    serde_json::from_str(include_str!("examples.json")).unwrap_or_default()
});

/// Gives each schema its example; a list has one of its items.
pub fn add(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        let example = match name.strip_prefix("ListView_") {
            Some(item) => EXAMPLES
                .get(item)
                .map(|e| json!({ "items": [e], "next": null })),
            None => EXAMPLES.get(name).cloned(),
        };
        if let (Some(example), RefOr::T(Schema::Object(object))) = (example, schema) {
            object.example = Some(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::openapi;
    use serde::{Serialize, de::DeserializeOwned};
    use types::*;

    fn example(name: &str) -> &'static Value {
        EXAMPLES
            .get(name)
            .unwrap_or_else(|| panic!("no example of {name}"))
    }

    fn read<T: DeserializeOwned>(name: &str, value: Value) -> T {
        serde_json::from_value(value).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn reads<T: DeserializeOwned>(name: &str) -> bool {
        read::<T>(name, example(name).clone());
        true
    }

    fn schema(name: &str) -> Value {
        let api = serde_json::to_value(openapi()).unwrap();
        api["components"]["schemas"][name].clone()
    }

    /// The fields that an item has on the wire when it has as few as it can.
    fn bare<T: DeserializeOwned + Serialize>(name: &str) -> Vec<String> {
        let schema = schema(name);
        let required = schema["required"].as_array().unwrap();
        let mut fewest = example(name).as_object().unwrap().clone();
        fewest.retain(|field, _| required.iter().any(|r| r == field));
        let item = serde_json::to_value(read::<T>(name, fewest.into())).unwrap();
        let mut fields: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        fields.sort();
        fields
    }

    macro_rules! bare_all {
        ($($name:ident)*) => { [$((stringify!($name), bare::<$name>(stringify!($name)))),*] };
    }

    /// `filter` and `sort` know an item by what it is written as: a field that is left out when it is none
    /// would be unknown there. The audit log has filters of its own.
    #[test]
    fn items_of_lists_are_written_with_every_field() {
        let items = bare_all!(
            ApiTokenView BootEntryView BootNetworkView BootView ClientView DiskSessionView ExportView FirmwareView GroupView ImageView InterfaceView JobView LeaseView LoaderSetView OverlayView
            ReservationView ScopeView SessionView SettingsRevisionView SnapshotView TaskView UserView
        );
        for (name, fields) in &items {
            let schema = schema(name);
            let mut described: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            described.sort();
            assert_eq!(fields.iter().collect::<Vec<_>>(), described, "{name}");
        }
        let lists = openapi().components.as_ref().unwrap();
        let lists = lists.schemas.keys().filter(|n| n.starts_with("ListView_"));
        assert_eq!(lists.count(), items.len() + 1, "and the audit log");
    }

    macro_rules! read_all {
        ($($name:ident)*) => { [$((stringify!($name), reads::<$name>(stringify!($name)))),*] };
    }

    #[test]
    fn each_is_what_it_is_an_example_of() {
        let read = read_all!(
            ApiTokenView ApplyParams CloneParams TakeSnapshotParams SnapshotView MoveChannelParams SuperclientParams UpdateImageParams UpdateVersionParams AuditView BootChoiceView BootEntryView BootNetworkView BootView CreateBootEntryParams
            CreateFirmwareParams FirmwareView PinParams CreateGroupParams GroupView UpdateBootEntryParams UpdateGroupParams ChangePasswordParams ClientView
            ConfirmSettingsParams SettingsPreviewView SettingsRevisionView SettingsView UpdateSettingsParams
            CreateClientParams CreateReservationParams CreateScopeParams CreateTokenParams CreateUserParams EndedView ImageView InterfaceView JobView
            LabBootParams LabView LeaseView LoaderSetView LogLevelView LoginParams MeView NewTokenView Problem
            RefreshParams RemoveClientsParams ReservationView ScopeView SecretsView SessionView SetupParams SystemInfoView TaskView
            StorageView DiskSessionView ExportView OverlayView CreateUploadParams ImportImageParams UploadView TokenView UpdateClientParams UpdateClientsParams UpdateReservationParams UpdateScopeParams UpdateUserParams UserView
        );
        assert_eq!(read.len(), EXAMPLES.len());
    }

    /// Bodies that are no JSON object of ours: a disk, and lines of the audit log.
    const PLAIN: [&str; 2] = ["application/octet-stream", "application/x-ndjson"];

    #[test]
    fn every_body_of_every_operation_has_one() {
        let api = serde_json::to_value(openapi()).unwrap();
        let schemas = &api["components"]["schemas"];
        let refused = &api["components"]["responses"]["Refused"];
        let mut seen = 0;
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers["default"]["$ref"].is_string(), "{method} {path}");
                let answers = answers.values().chain([refused]);
                for body in answers.chain([&operation["requestBody"]]) {
                    for (kind, media) in body["content"].as_object().into_iter().flatten() {
                        if PLAIN.contains(&kind.as_str()) {
                            continue;
                        }
                        let name = media["schema"]["$ref"].as_str().unwrap_or("none");
                        let name = name.rsplit('/').next().unwrap_or("none");
                        let example = &schemas[name]["example"];
                        assert!(!example.is_null(), "{method} {path}: {name} has no example");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 90, "{seen}");
    }
}
