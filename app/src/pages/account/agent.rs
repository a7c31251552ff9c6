//! What signed in, in plain words: from `User-Agent`, which says whatever its sender wants.

use crate::i18n::*;

/// Programs by what only their `User-Agent` holds: those that others imitate stand last.
const PROGRAMS: [(&str, &str); 10] = [
    ("nsboot/", "nsboot"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python-requests/", "Python"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems in the same way: phones name the system that theirs was made of, too.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

fn find(agent: &str, table: &[(&str, &'static str)]) -> Option<&'static str> {
    let found = table.iter().find(|(mark, _)| agent.contains(mark));
    found.map(|(_, name)| *name)
}

/// `("Firefox", "Linux")`; None for what is not known.
fn parts(agent: &str) -> (Option<&'static str>, Option<&'static str>) {
    (find(agent, &PROGRAMS), find(agent, &SYSTEMS))
}

/// `Firefox on Linux`.
pub fn words(i18n: I18n, agent: Option<&str>) -> String {
    match parts(agent.unwrap_or_default()) {
        (Some(program), Some(system)) => {
            tu_string!(i18n, agent.on, program = program, system = system).to_string()
        }
        (Some(program), None) => program.to_string(),
        (None, Some(system)) => tu_string!(i18n, agent.program_on, system = system).to_string(),
        (None, None) => tu_string!(i18n, agent.unknown).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn imitations_are_seen_through() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        assert_eq!(parts(edge), (Some("Edge"), Some("Windows")));
        let phone = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/140.0.0.0 Mobile Safari/537.36";
        assert_eq!(parts(phone), (Some("Chrome"), Some("Android")));
        let fox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(parts(fox), (Some("Firefox"), Some("Linux")));
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
        assert_eq!(parts(iphone), (Some("Safari"), Some("iPhone")));
        assert_eq!(parts("curl/8.9"), (Some("curl"), None));
        assert_eq!(parts(""), (None, None));
    }
}
