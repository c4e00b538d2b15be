//! What an application may do with the public types: hold them across an await, share them between threads, and
//! return their errors without growing every result.

use gateway_accounts::*;

#[test]
fn public_types_are_send_sync_and_unpin() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<Access>();
    check::<Account>();
    check::<AccountHistory>();
    check::<AccountName>();
    check::<AccountPatch>();
    check::<AccountRecord>();
    check::<AccountSid>();
    check::<AccountView<'static>>();
    check::<Accounts>();
    check::<Action>();
    check::<Actor>();
    check::<AnyApplication>();
    check::<ApplicationSid>();
    check::<AuditAction>();
    check::<AuditEntry>();
    check::<AuditPage>();
    check::<AuditedKey>();
    check::<Batch>();
    check::<Change>();
    check::<Contract>();
    check::<Copied>();
    check::<CopyConflict>();
    check::<CopyDifference>();
    check::<CopyItem>();
    check::<CopyProgress>();
    check::<Directory>();
    check::<DirectoryOptions>();
    check::<DirectoryState>();
    check::<DirectoryStatus>();
    check::<DirectoryWatch>();
    check::<Event>();
    check::<Feed>();
    check::<Field>();
    check::<FieldAccess>();
    check::<FieldChange>();
    check::<Findings<CopyConflict>>();
    check::<HistoryEntry>();
    check::<HistoryPage>();
    check::<ImportPhase>();
    check::<ImportProgress>();
    check::<Limit>();
    check::<Listing>();
    check::<ManualClock>();
    check::<MemoryStore>();
    check::<MinutesUsed>();
    check::<PeriodUse>();
    check::<NewAccount>();
    check::<NoApplications>();
    check::<NoSessions>();
    check::<OrganisationId>();
    check::<OsRandom>();
    check::<Page>();
    check::<Problem>();
    check::<Problems>();
    check::<RealmMatch>();
    check::<Refusal>();
    check::<Refusals>();
    check::<RetryOn>();
    check::<RetryPolicy>();
    check::<Revision>();
    check::<Scope>();
    check::<SeededRandom>();
    check::<Seq>();
    check::<ServiceProviderSid>();
    check::<SipRealm>();
    check::<Snapshot>();
    check::<Status>();
    check::<Subject>();
    check::<Suspension>();
    check::<SuspensionReason>();
    check::<SystemClock>();
    check::<Timestamp>();
    check::<Unit>();
    check::<UnitKind>();
    check::<UrlPolicy>();
    check::<FormerSecret>();
    check::<SecretRotation>();
    check::<webhooks::HostPattern>();
    check::<webhooks::Network>();
    check::<Webhook>();
    check::<WebhookCredentials>();
    check::<WebhookMethod>();
    check::<WebhookSecret>();
    check::<WebhookUrl>();
    check::<WhileRunning>();
    check::<WhyNotCopied>();
    check::<Write>();
    check::<WriteProgress>();
    check::<Box<dyn AccountStore>>();
    check::<Box<dyn Applications>>();
    check::<Box<dyn Clock>>();
    check::<Box<dyn Random>>();
    check::<Box<dyn RunningSessions>>();
    #[cfg(feature = "postgres")]
    {
        check::<PostgresStore>();
        check::<PostgresStoreOptions>();
        check::<SchemaNameError>();
    }
    #[cfg(feature = "sealing")]
    {
        check::<Keyring>();
        check::<SealingKey>();
    }
    #[cfg(feature = "keys")]
    {
        check::<Authenticated>();
        check::<Authenticator>();
        check::<HashParams>();
        check::<HashPool>();
        check::<KeyToken>();
        check::<ParsedToken<'static>>();
    }
    #[cfg(feature = "admission")]
    {
        use gateway_accounts::admission::*;
        check::<Admission>();
        check::<AdmissionOptions>();
        check::<Admitted>();
        check::<BillingPeriod>();
        check::<Ended>();
        check::<Figures>();
        check::<Keeper>();
        check::<Kept>();
        check::<LiveSession>();
        check::<Moment>();
        check::<Permit>();
        check::<Reconciled>();
        check::<Reconciliation>();
        check::<SessionId>();
        check::<Signal>();
        check::<Signals>();
        check::<Terms>();
        check::<Usage>();
    }
    #[cfg(feature = "webhooks")]
    {
        use gateway_accounts::webhooks::*;
        check::<CallInfo>();
        check::<WebhookRequests>();
        check::<Content<'static>>();
        check::<DigestCredentials>();
        check::<DigestPassword>();
        check::<EventSequence>();
        check::<MessageId>();
        check::<NonceCounts>();
        check::<QueueEvent>();
        check::<RegistrationReply>();
        check::<RegistrationRequest>();
        check::<SignatureHeaders>();
        check::<Signer>();
        check::<Verified>();
        check::<Verifier>();
        check::<WebhookRequest>();
    }
}

/// What the front desk promises works on an executor of many threads.
#[test]
fn futures_and_streams_move_between_threads() {
    fn check(_: impl Send) {}
    let accounts = Accounts::new(MemoryStore::new());
    let actor = Actor::new(Scope::Admin, "jane".parse().unwrap());
    let sid: AccountSid = "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap();
    let (seen, listing) = (Revision::FIRST, Listing::new());
    let (name, realm) = ("Acme".parse().unwrap(), "acme.example".parse().unwrap());
    check(accounts.create(&actor, AccountPatch::new()));
    check(accounts.edit(&actor, sid, seen, AccountPatch::new()));
    check(accounts.suspend(&actor, sid, seen, "late".parse().unwrap()));
    check(accounts.resume(&actor, sid, seen));
    check(accounts.rotate_webhook_secret(&actor, sid, seen, SecretRotation::default()));
    check(accounts.finish_webhook_secret_rotation(&actor, sid, seen));
    check(accounts.revoke_webhook_secret(&actor, sid, seen));
    check(accounts.delete(&actor, sid, seen, WhileRunning::Refuse));
    check(accounts.get(&actor, sid));
    check(accounts.find_by_name(&actor, &name));
    check(accounts.find_by_realm(&actor, &realm, RealmMatch::OrParent));
    check(accounts.list(&actor, &listing));
    check(accounts.stream(&actor));
    check(accounts.history(&actor, &AccountHistory::of(sid)));
    check(accounts.import_all(&actor, Vec::new(), |_| {}));
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    check(StoreCopy::new(&from, &to).on_progress(|_| {}).run(&actor, &SystemClock));
    check(accounts.import_stream(&actor, futures_lite::stream::empty(), 10, |_| {}));
}

#[cfg(feature = "keys")]
#[test]
fn futures_of_keys_move_between_threads() {
    fn check(_: impl Send) {}
    let pool = HashPool::new();
    let authenticator = Authenticator::new(std::sync::Arc::new(MemoryStore::new()), pool.clone());
    check(pool.hash("secret", &OsRandom, HashParams::LIGHT));
    check(authenticator.authenticate("gak_"));
    check(authenticator.flush());
    check(authenticator.flush_all());
}

#[cfg(feature = "admission")]
#[test]
fn futures_of_admission_move_between_threads() {
    use gateway_accounts::admission::*;
    fn check(_: impl Send) {}
    let admission = Admission::new(MemoryStore::new());
    check(admission.flush(Moment::now()));
    check(admission.subscribe(1).next());
}

/// An error is as big as its biggest variant, and so is every `Result` that can hold one.
#[test]
fn errors_are_small() {
    fn check<E: std::error::Error + Send + Sync + Unpin + 'static>(most: usize) {
        let (name, size) = (std::any::type_name::<E>(), size_of::<E>());
        assert!(size <= most, "{name} has {size} bytes, more than {most}");
    }
    check::<StoreError>(8);
    check::<Error>(48);
    check::<CommitError>(48);
    check::<Conflict>(48);
    check::<CopyError>(72);
    check::<AdvanceError>(64);
    check::<Problems>(24);
    check::<RandomError>(16);
    check::<AccountNameError>(24);
    check::<AccountRecordError>(16);
    check::<ImportStreamError>(64);
    check::<LimitError>(16);
    check::<MinutesUsedError>(16);
    check::<OrganisationIdError>(24);
    check::<RetryPolicyError>(16);
    check::<SidError>(16);
    check::<SipRealmError>(24);
    check::<SubjectError>(24);
    check::<SuspensionReasonError>(24);
    check::<TimestampError>(16);
    check::<UnitKindError>(16);
    check::<UrlPolicyError>(16);
    check::<WebhookCredentialsError>(32);
    check::<WebhookMethodError>(16);
    check::<WebhookSecretError>(16);
    check::<WebhookUrlError>(24);
    #[cfg(feature = "sealing")]
    check::<SealingKeyError>(24);
    #[cfg(feature = "admission")]
    {
        use gateway_accounts::admission::*;
        check::<BillingPeriodError>(24);
        check::<IncrementError>(16);
        check::<NotRunning>(0);
        check::<Refused>(48);
        check::<SessionIdError>(24);
    }
    #[cfg(feature = "keys")]
    {
        check::<AuthError>(24);
        check::<HashError>(24);
        check::<HashParamsError>(16);
        check::<TokenError>(16);
    }
    check::<webhooks::HostPatternError>(16);
    check::<webhooks::NetworkError>(24);
    #[cfg(feature = "webhooks")]
    {
        use gateway_accounts::webhooks::*;
        check::<DigestCredentialsError>(40);
        check::<DigestError>(16);
        check::<MessageIdError>(24);
        check::<PayloadError>(32);
        check::<RequestError>(16);
        check::<ToleranceError>(16);
        check::<VerifyError>(40);
    }
}
