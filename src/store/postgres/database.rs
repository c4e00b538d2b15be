//! Connections to the database.

use super::error::Failure;
use super::options::PostgresStoreOptions;
use crate::store::{StoreError, StoreErrorKind};
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Transaction,
};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Row, Socket};

/// A pool of connections, and how to make one for oneself.
pub(super) struct Database {
    pool: Pool,
    listen: Listen,
    schema: String,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

/// Makes a connection whose messages can be heard.
type Listen =
    Arc<dyn Fn() -> BoxFuture<'static, Result<(Client, Messages), tokio_postgres::Error>> + Send + Sync>;

/// What the server says unasked. It must be polled for the connection to do anything.
pub(super) type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

impl Database {
    pub(super) fn new<T>(
        options: &PostgresStoreOptions,
        mut config: Config,
        tls: T,
    ) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        if config.get_application_name().is_none() {
            config.application_name("gateway-accounts");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_timeout);
        }
        // A server that is gone without a word is noticed also by who only listens.
        config
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(options.statement_timeout);
        }
        let millis = options.statement_timeout.as_millis();
        let settings = format!(
            "SET statement_timeout = {millis}; SET lock_timeout = {millis}; \
             SET idle_in_transaction_session_timeout = {millis}; \
             SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        );
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config.clone(), tls.clone(), manager))
            .max_size(options.connections)
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .recycle_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |client, _| {
                let settings = settings.clone();
                Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| {
                StoreError::new(
                    StoreErrorKind::Failed,
                    format!("no pool of connections can be made: {error}"),
                )
            })?;
        let listen = move || -> BoxFuture<'static, _> {
            let (config, tls) = (config.clone(), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
                Ok((client, messages.boxed()))
            })
        };
        Ok(Self {
            pool,
            listen: Arc::new(listen),
            schema: options.schema.clone(),
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
        })
    }

    /// The name of the schema. It needs no quotes, but gets them.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// A statement that has `{schema}` for the name of the schema.
    pub(super) fn sql(&self, statement: &str) -> String {
        statement.replace("{schema}", &format!("\"{}\"", self.schema))
    }

    /// A connection of the pool.
    pub(super) async fn client(&self) -> Result<Object, Failure> {
        Ok(self.pool.get().await?)
    }

    /// A connection of its own, for listening.
    pub(super) async fn listener(&self) -> Result<(Client, Messages), Failure> {
        match timeout(self.connect_timeout, (self.listen)()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Failure::no_answer()),
        }
    }

    /// What a prepared statement gives. A connection on which no answer came is not used again.
    pub(super) async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let client = self.client().await?;
        let asked = async {
            let prepared = client.prepare_cached(statement).await?;
            client.query(&prepared, parameters).await
        };
        match timeout(self.patience(), asked).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                drop(Object::take(client));
                Err(Failure::no_answer())
            }
        }
    }

    /// As [`Database::query`], of a statement that may take so many times as long as others.
    pub(super) async fn query_for(
        &self,
        times: u32,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let mut client = self.client().await?;
        let asked = async {
            let prepared = client.prepare_cached(statement).await?;
            let transaction = client.transaction().await?;
            self.allow(&transaction, times).await?;
            let rows = transaction.query(&prepared, parameters).await?;
            transaction.commit().await?;
            Ok::<_, tokio_postgres::Error>(rows)
        };
        match timeout(self.patience().saturating_mul(times), asked).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                drop(Object::take(client));
                Err(Failure::no_answer())
            }
        }
    }

    /// Lets the statements of a transaction take so many times as long as others.
    pub(super) async fn allow(
        &self,
        transaction: &Transaction<'_>,
        times: u32,
    ) -> Result<(), tokio_postgres::Error> {
        let millis = self.statement_timeout.saturating_mul(times).as_millis().min(i32::MAX as u128);
        let settings = format!("SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = {millis}");
        transaction.batch_execute(&settings).await
    }

    /// How long an answer is waited for: a little longer than the server works on it.
    pub(super) fn patience(&self) -> Duration {
        self.statement_timeout + Duration::from_secs(1)
    }

    /// Makes no connection any more.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.schema).field("pool", &self.pool.status()).finish()
    }
}
