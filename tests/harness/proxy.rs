//! The network fails as it is told to.

use crate::postgres::{self, Proxy, Server, Trap};
use crate::server::{connect, number};
use std::time::Duration;
use tokio_postgres::Client;

/// Long enough for whatever would get through.
const SILENCE: Duration = Duration::from_millis(200);

async fn through(server: &Server, proxy: &Proxy) -> Client {
    connect(&server.url_at(proxy.address())).await.unwrap()
}

#[tokio::test]
async fn it_forwards_until_it_is_cut() {
    let Some(server) = postgres::server() else { return };
    let proxy = server.proxy();
    let [one, other] = [through(server, &proxy).await, through(server, &proxy).await];
    assert_eq!(number(&one, "SELECT 1::bigint").await, 1);
    let text = "long ".repeat(100_000);
    let echo: String = other.query_one("SELECT $1::text", &[&text]).await.unwrap().get(0);
    assert_eq!(echo, text);
    assert_eq!(proxy.connections(), 2);
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    for client in [one, other] {
        assert!(client.query_one("SELECT 1", &[]).await.unwrap_err().is_closed());
    }
    assert_eq!(number(&through(server, &proxy).await, "SELECT 2::bigint").await, 2);
}

#[tokio::test]
async fn it_refuses_new_connections_and_keeps_the_old() {
    let Some(server) = postgres::server() else { return };
    let proxy = server.proxy();
    let old = through(server, &proxy).await;
    proxy.refuse();
    proxy.refuse();
    assert!(connect(&server.url_at(proxy.address())).await.is_err());
    assert_eq!(number(&old, "SELECT 1::bigint").await, 1);
    proxy.heal();
    assert_eq!(number(&through(server, &proxy).await, "SELECT 2::bigint").await, 2);
}

#[tokio::test]
async fn a_black_hole_takes_connections_and_says_nothing() {
    let Some(server) = postgres::server() else { return };
    let proxy = server.proxy();
    let old = through(server, &proxy).await;
    proxy.block();
    let asked = tokio::time::timeout(SILENCE, old.query_one("SELECT 1::bigint", &[])).await;
    assert!(asked.is_err(), "{asked:?}");
    let url = server.url_at(proxy.address());
    let mut connecting = Box::pin(connect(&url));
    assert!(tokio::time::timeout(SILENCE, &mut connecting).await.is_err());
    tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    proxy.heal();
    assert_eq!(number(&connecting.await.unwrap(), "SELECT 2::bigint").await, 2);
    assert_eq!(number(&old, "SELECT 3::bigint").await, 3);
    // Also who is in it can be cut.
    proxy.block();
    proxy.cut();
    assert!(old.query_one("SELECT 1", &[]).await.is_err());
}

/// The client is told of an error both times; the server has done what was asked, or has not.
#[tokio::test]
async fn an_answer_is_lost_after_its_request_was_done_and_a_request_before() {
    let Some(server) = postgres::server() else { return };
    let schema = server.fresh_schema();
    let direct = connect(&server.url()).await.unwrap();
    direct
        .batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.things (n int)"))
        .await
        .unwrap();
    let count = format!("SELECT count(*) FROM {schema}.things");
    let insert = format!("INSERT INTO {schema}.things VALUES (1)");
    let proxy = server.proxy();

    let client = through(server, &proxy).await;
    proxy.swallow_next_answer();
    assert!(client.batch_execute(&insert).await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (1, 1));

    let client = through(server, &proxy).await;
    proxy.swallow_next_request();
    assert!(client.batch_execute(&insert).await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (1, 2));
    // An answer of many parts, the last of which says that it is done.
    let client = through(server, &proxy).await;
    proxy.swallow_next_answer();
    let long = format!("SELECT repeat('long ', 1000000); SELECT pg_sleep(0.1); {insert}");
    assert!(client.batch_execute(&long).await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (2, 3));
    // Once.
    through(server, &proxy).await.batch_execute(&insert).await.unwrap();
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (3, 3));
}

/// The commit of a transaction, with prepared statements and others before it.
#[tokio::test]
async fn a_trap_is_for_what_it_names() {
    let Some(server) = postgres::server() else { return };
    let schema = server.fresh_schema();
    let direct = connect(&server.url()).await.unwrap();
    direct
        .batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.things (n int)"))
        .await
        .unwrap();
    let count = format!("SELECT count(*) FROM {schema}.things");
    let insert = format!("INSERT INTO {schema}.things VALUES ($1)");
    let proxy = server.proxy();
    let transaction = async || {
        let mut client = through(server, &proxy).await;
        let prepared = client.prepare(&insert).await?;
        let transaction = client.transaction().await?;
        for n in 1..=2 {
            transaction.execute(&prepared, &[&n]).await?;
        }
        transaction.commit().await
    };
    proxy.set(Trap::answer().to("COMMIT"));
    assert!(transaction().await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (2, 1));
    proxy.set(Trap::request().to("COMMIT"));
    assert!(transaction().await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (2, 2));
    // A prepared statement that runs for the second time, by its text.
    proxy.set(Trap::answer().to("INSERT").after(1));
    assert!(transaction().await.unwrap_err().is_closed());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (2, 3));
    // Prepare, BEGIN, two that run, and COMMIT are five requests: a cut at each of them, and none after.
    for after in 0..5 {
        for trap in [Trap::request(), Trap::answer()] {
            proxy.set(trap.after(after));
            assert!(transaction().await.unwrap_err().is_closed(), "{after}");
        }
    }
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (4, 13));
    // The sixth closes the prepared statement, and who drops it does not wait for that.
    proxy.set(Trap::request().after(6));
    transaction().await.unwrap();
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (6, 13));
}

/// A copy of no data has the form of any other: the server ignores the end of the request that comes before the data, and
/// answers the one after.
#[tokio::test]
async fn a_copy_is_one_request() {
    let Some(server) = postgres::server() else { return };
    let schema = server.fresh_schema();
    let direct = connect(&server.url()).await.unwrap();
    direct
        .batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.things (n int)"))
        .await
        .unwrap();
    let count = format!("SELECT count(*) FROM {schema}.things");
    let insert = format!("INSERT INTO {schema}.things VALUES (1)");
    let proxy = server.proxy();
    let copy = async |client: &Client| {
        let sink = client.copy_in::<_, &[u8]>(&format!("COPY {schema}.things FROM STDIN")).await?;
        Box::pin(sink).as_mut().finish().await
    };
    let client = through(server, &proxy).await;
    assert_eq!(copy(&client).await.unwrap(), 0);
    proxy.set(Trap::answer().to("INSERT").hanging());
    assert!(tokio::time::timeout(SILENCE, client.batch_execute(&insert)).await.is_err());
    assert_eq!((number(&direct, &count).await, proxy.sprung()), (1, 1));
    let client = through(server, &proxy).await;
    proxy.set(Trap::answer().to("COPY"));
    assert!(copy(&client).await.is_err());
    assert!(client.is_closed());
    assert_eq!(proxy.sprung(), 2);
}

#[tokio::test]
async fn an_answer_may_also_never_come() {
    let Some(server) = postgres::server() else { return };
    let proxy = server.proxy();
    for trap in [Trap::answer(), Trap::request()] {
        let client = through(server, &proxy).await;
        proxy.set(trap.hanging());
        assert!(tokio::time::timeout(SILENCE, client.query_one("SELECT 1", &[])).await.is_err());
        assert!(!client.is_closed());
        assert_eq!(number(&through(server, &proxy).await, "SELECT 1::bigint").await, 1);
        proxy.cut();
    }
    assert_eq!(proxy.sprung(), 2);
}
