//! The server is there as long as its tests are, and not longer.

use crate::postgres::{self, Server, StopMode};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// Set for a child that starts a server and says where; then it waits to be killed, or for its input to end.
const CHILD: &str = "GATEWAY_ACCOUNTS_HARNESS_CHILD";

pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn it_answers_and_is_as_durable_as_any() {
    let Some(server) = postgres::server() else { return };
    let client = connect(&server.url()).await.unwrap();
    let one: i32 = client.query_one("SELECT 1", &[]).await.unwrap().get(0);
    assert_eq!(one, 1);
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let is: String = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0);
        assert_eq!(is, "on", "{setting}");
    }
    // Others get the same.
    assert!(std::ptr::eq(server, postgres::server().unwrap()));
}

#[tokio::test]
async fn a_schema_is_nobody_elses_and_gone_afterwards() {
    let Some(server) = postgres::server() else { return };
    let [one, other] = [server.fresh_schema(), server.fresh_schema()];
    assert_ne!(one.name(), other.name());
    assert!(one.len() < 64, "{one}");
    let client = connect(&server.url()).await.unwrap();
    let count = format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name = '{one}'");
    assert_eq!(number(&client, &count).await, 0);
    client.batch_execute(&format!("CREATE SCHEMA {one}; CREATE TABLE {one}.things (n int)")).await.unwrap();
    assert_eq!(number(&client, &count).await, 1);
    drop(one);
    assert_eq!(number(&client, &count).await, 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let Some(server) = Server::private() else { return };
    let client = connect(&server.url()).await.unwrap();
    client.batch_execute("CREATE TABLE things (n int); INSERT INTO things VALUES (1), (2)").await.unwrap();
    for mode in [StopMode::Immediate, StopMode::Fast] {
        let before = connect(&server.url()).await.unwrap();
        server.stop(mode);
        assert!(before.query_one("SELECT 1", &[]).await.is_err(), "{mode:?}");
        assert!(connect(&server.url()).await.is_err(), "{mode:?}");
        server.start();
        let after = connect(&server.url()).await.unwrap();
        assert_eq!(number(&after, "SELECT count(*) FROM things").await, 2);
    }
    server.restart(StopMode::Immediate);
    connect(&server.url()).await.unwrap();
}

#[test]
#[should_panic = "the server is shared"]
fn nobody_stops_the_server_of_others() {
    let Some(server) = postgres::server() else { panic!("the server is shared, or would be") };
    server.stop(StopMode::Fast);
}

#[test]
fn a_private_server_is_gone_when_it_is_dropped() {
    let Some(server) = Server::private() else { return };
    let folder = server.folder().unwrap();
    let pid = postmaster(&folder);
    drop(server);
    assert!(!folder.exists());
    assert!(!runs(pid));
}

#[test]
fn child() {
    let Ok(how) = std::env::var(CHILD) else { return };
    let private = how.contains("private").then(Server::private).flatten();
    let Some(server) = private.as_ref().or_else(|| postgres::server()) else { return };
    let folder = server.folder().unwrap();
    println!("server {}", folder.display());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert!(!how.contains("fails"), "as it is to");
}

/// Neither a server nor its folder is left by tests that pass, that fail, or that are killed.
#[test]
fn nothing_is_left_behind_by_tests_that_end_in_whatever_way() {
    for how in ["shared passes", "shared fails", "shared killed", "private killed"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server::child", "--nocapture", "--test-threads=1"])
            .env(CHILD, how)
            .env_remove(postgres::URL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let Some(folder) = lines.find_map(|line| Some(line.split_once("server ")?.1.to_owned())) else {
            // There is no PostgreSQL: also this process says so.
            assert!(child.wait().unwrap().success(), "{how}");
            assert!(Server::private().is_none(), "{how}: the child has no server");
            return;
        };
        let folder = Path::new(&folder);
        let pid = postmaster(folder);
        assert!(runs(pid), "{how}");
        if how.contains("killed") {
            child.kill().unwrap();
        }
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().success(), how.contains("passes"), "{how}");
        // The supervisor needs a moment more than the child did.
        let deadline = Instant::now() + Duration::from_secs(30);
        while folder.exists() || runs(pid) {
            assert!(Instant::now() < deadline, "{how}: {} or process {pid} is still there", folder.display());
            std::thread::yield_now();
        }
    }
}

/// Where there is no PostgreSQL, tests pass, and say that they were not run, though the harness captures what they print; or
/// they fail, where they must be run.
#[test]
fn tests_without_a_server_say_so_or_fail() {
    let child = |required| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server::absent", "--test-threads=1"])
            .env(CHILD, "absent")
            .env(postgres::REQUIRED, required)
            .env_remove(postgres::URL)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    for not_required in ["", "0"] {
        let (passes, said) = child(not_required);
        assert!(passes && said.contains("*** NOT RUN: server::absent: "), "{said}");
    }
    let (passes, said) = child("1");
    assert!(!passes && !said.contains("NOT RUN"), "{said}");
}

/// The child of that test.
#[test]
fn absent() {
    if std::env::var(CHILD).is_ok_and(|how| how == "absent") {
        postgres::not_run("it is a trial");
    }
}

/// The id of the server's first process, of which the others are children.
fn postmaster(folder: &Path) -> u32 {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn runs(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}
