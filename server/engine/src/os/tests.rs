//! With real processes.

use super::*;

fn program(name: &'static str) -> Program {
    Program::find(name, "coreutils").unwrap()
}

#[test]
fn a_missing_program_names_its_package() {
    let error = Program::find("no-such-program", "such-package").unwrap_err();
    assert!(error.to_string().contains("such-package"), "{error}");
}

#[tokio::test]
async fn output_and_failure_come_back() {
    let echo = Command::new(&program("echo")).args(["a b", "$HOME"]);
    assert_eq!(echo.run().await.unwrap(), "a b $HOME\n");
    let ls = Command::new(&program("ls")).arg("/no/such/folder");
    let text = ls.run().await.unwrap_err().to_string();
    assert!(
        text.contains("/no/such/folder") && text.contains("exit status: 2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_child_ends_by_itself_or_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let short = spawn(Command::new(&program("echo")).arg("hello"), &log)
        .await
        .unwrap();
    assert!(short.wait().await.unwrap().success());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "hello\n");
    let long = spawn(Command::new(&program("sleep")).arg("1000"), &log)
        .await
        .unwrap();
    assert!(long.is_running());
    long.kill().await;
    assert!(!long.is_running());
}

#[tokio::test]
async fn a_dropped_child_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let child = spawn(Command::new(&program("sleep")).arg("1000"), &log)
        .await
        .unwrap();
    let mut ended = child.ended.clone();
    drop(child);
    assert!(ended.wait_for(Option::is_some).await.is_ok());
}
