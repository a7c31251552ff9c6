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
    use serde::de::DeserializeOwned;
    use types::*;

    fn reads<T: DeserializeOwned>(name: &str) -> bool {
        let example = EXAMPLES
            .get(name)
            .unwrap_or_else(|| panic!("no example of {name}"));
        if let Err(e) = serde_json::from_value::<T>(example.clone()) {
            panic!("{name}: {e}");
        }
        true
    }

    macro_rules! read_all {
        ($($name:ident)*) => { [$((stringify!($name), reads::<$name>(stringify!($name)))),*] };
    }

    #[test]
    fn each_is_what_it_is_an_example_of() {
        let read = read_all!(
            ApiTokenView AuditView BootNetworkView BootView ChangePasswordParams ClientView
            ConfirmSettingsParams SettingsPreviewView SettingsRevisionView SettingsView UpdateSettingsParams
            CreateClientParams CreateTokenParams CreateUserParams EndedView ImageView JobView
            LabBootParams LabView LeaseView LogLevelView LoginParams MeView NewTokenView Problem
            RefreshParams RemoveClientsParams SecretsView SessionView SetupParams SystemInfoView TaskView
            TokenView UpdateClientParams UpdateClientsParams UpdateUserParams UserView
        );
        assert_eq!(read.len(), EXAMPLES.len());
    }

    /// Bodies that are no JSON object of ours: a disk, and lines of the audit log.
    const PLAIN: [&str; 2] = ["application/octet-stream", "application/x-ndjson"];

    #[test]
    fn every_body_of_every_operation_has_one() {
        let api = serde_json::to_value(openapi()).unwrap();
        let schemas = &api["components"]["schemas"];
        let mut seen = 0;
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap().values();
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
