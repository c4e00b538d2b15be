-- Version 1. `{schema}` stands for the name of the schema, quoted.

CREATE TABLE {schema}.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The latest commit. Who commits locks this row until the end of its transaction, so that numbers are given in the order
    -- in which commits become visible, and none is left out.
    seq bigint NOT NULL,
    -- The latest commit that is not kept any more.
    trimmed bigint NOT NULL,
    -- Whether secrets are sealed.
    sealed boolean NOT NULL
);
INSERT INTO {schema}.head (seq, trimmed, sealed) VALUES (0, 0, false);

CREATE TABLE {schema}.accounts (
    sid uuid PRIMARY KEY,
    folded_name text COLLATE "C" NOT NULL CONSTRAINT accounts_folded_name UNIQUE,
    sip_realm text COLLATE "C" CONSTRAINT accounts_sip_realm UNIQUE,
    service_provider uuid,
    revision bigint NOT NULL,
    -- The account in JSON, without the minutes that it used.
    record text NOT NULL,
    -- What its secrets are sealed in.
    boxes text,
    minutes_used text
);
CREATE INDEX accounts_service_provider ON {schema}.accounts (service_provider, sid) WHERE service_provider IS NOT NULL;

CREATE TABLE {schema}.api_keys (
    id text COLLATE "C" PRIMARY KEY,
    -- Of an account its SID, of a service provider its SID with an s before it, of an admin an empty text.
    owner text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    -- The key in JSON, without when it was used last.
    record text NOT NULL,
    -- Milliseconds since 1970.
    last_used bigint
);
CREATE UNIQUE INDEX api_keys_owner ON {schema}.api_keys (owner, id);

CREATE TABLE {schema}.changes (
    seq bigint PRIMARY KEY,
    -- Made up by the writer, so that a commit whose answer was lost is not made twice.
    commit_id uuid NOT NULL CONSTRAINT changes_commit_id UNIQUE,
    -- By the writer's clock, in milliseconds since 1970.
    at bigint NOT NULL,
    actor text NOT NULL,
    stored timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.events (
    seq bigint NOT NULL,
    n integer NOT NULL,
    -- An account was created (0), replaced (1) or deleted (2); a key was added (3), replaced (4) or revoked (5).
    kind smallint NOT NULL,
    -- The account in whose history it is.
    sid uuid,
    before_record text,
    before_boxes text,
    before_minutes_used text,
    before_last_used bigint,
    after_record text,
    after_boxes text,
    after_minutes_used text,
    after_last_used bigint,
    PRIMARY KEY (seq, n)
);
CREATE INDEX events_sid ON {schema}.events (sid, seq) WHERE sid IS NOT NULL;

-- Commits batches in order, each whole or not at all, and gives for each a row without an event that says how it went, and a
-- row for each of its events.
--
-- What is written: an account is created (0), replaced (1) or deleted (2), or its minutes are noted (3); a key is added (4),
-- replaced (5) or revoked (6), or its use is noted (7).
--
-- Conflicts: the SID (0), the name (1) or the realm (2) is another account's; the account has another revision (3) or is
-- missing (4); the key is taken (5), has another revision (6) or is missing (7), or its owner has too many (8).
CREATE FUNCTION {schema}.commit_batches(
    is_sealed boolean, channel text, commit_ids uuid[], ats bigint[], actors text[],
    w_batch integer[], w_kind smallint[], w_sid uuid[], w_id text[], w_expected bigint[], w_revision bigint[],
    w_folded_name text[], w_sip_realm text[], w_service_provider uuid[], w_owner text[], w_record text[], w_boxes text[],
    w_minutes_used text[], w_last_used bigint[], w_at_most bigint[]
) RETURNS TABLE (
    batch integer, commit_seq bigint, conflict smallint, at_write integer, holder uuid, actual bigint, event_n integer,
    event_kind smallint, was_record text, was_boxes text, was_minutes_used text, was_last_used bigint, is_last_used bigint
) LANGUAGE plpgsql AS $commit$
#variable_conflict use_column
DECLARE
    latest bigint;
    first_seq bigint;
    now_sealed boolean;
    this bigint;
    event integer;
    writes CONSTANT integer := coalesce(array_length(w_batch, 1), 0);
    w integer := 1;
    up_to integer;
    problem smallint;
    problem_holder uuid;
    problem_actual bigint;
    is_bulk boolean;
    old record;
    found_sid uuid;
    owner_sid uuid;
    used bigint;
BEGIN
    SELECT h.seq, h.sealed INTO latest, now_sealed FROM {schema}.head h FOR UPDATE;
    first_seq := latest;
    IF now_sealed <> is_sealed THEN
        RAISE EXCEPTION 'secrets are % here', CASE WHEN now_sealed THEN 'sealed' ELSE 'not sealed' END USING ERRCODE = 'GA002';
    END IF;
    FOR b IN 1 .. coalesce(array_length(commit_ids, 1), 0) LOOP
        up_to := w;
        WHILE up_to <= writes AND w_batch[up_to] = b LOOP
            up_to := up_to + 1;
        END LOOP;
        SELECT c.seq INTO this FROM {schema}.changes c WHERE c.commit_id = commit_ids[b];
        IF NOT FOUND THEN
            this := latest + 1;
            problem := NULL;
            is_bulk := false;
            -- Nothing but new accounts and then new keys: all at once, unless something is wrong, which is then found out below.
            IF up_to - w >= 64 AND (
                SELECT bool_and(t.kind IN (0, 4) AND t.at_most IS NULL)
                    AND coalesce(max(t.n) FILTER (WHERE t.kind = 0) < min(t.n) FILTER (WHERE t.kind = 4), true)
                FROM unnest(w_kind[w:up_to - 1], w_at_most[w:up_to - 1]) WITH ORDINALITY AS t(kind, at_most, n)
            ) THEN
                BEGIN
                    INSERT INTO {schema}.accounts
                        SELECT t.sid, t.folded_name, t.sip_realm, t.service_provider, t.revision, t.record, t.boxes, t.minutes_used
                        FROM unnest(w_kind[w:up_to - 1], w_sid[w:up_to - 1], w_folded_name[w:up_to - 1], w_sip_realm[w:up_to - 1],
                            w_service_provider[w:up_to - 1], w_revision[w:up_to - 1], w_record[w:up_to - 1],
                            w_boxes[w:up_to - 1], w_minutes_used[w:up_to - 1])
                            AS t(kind, sid, folded_name, sip_realm, service_provider, revision, record, boxes, minutes_used)
                        WHERE t.kind = 0;
                    INSERT INTO {schema}.api_keys
                        SELECT t.id, t.owner, t.revision, t.record, t.last_used
                        FROM unnest(w_kind[w:up_to - 1], w_id[w:up_to - 1], w_owner[w:up_to - 1], w_revision[w:up_to - 1],
                            w_record[w:up_to - 1], w_last_used[w:up_to - 1])
                            AS t(kind, id, owner, revision, record, last_used)
                        WHERE t.kind = 4;
                    IF EXISTS (
                        SELECT FROM unnest(w_kind[w:up_to - 1], w_sid[w:up_to - 1]) AS t(kind, sid)
                        WHERE t.kind = 4 AND t.sid IS NOT NULL
                            AND NOT EXISTS (SELECT FROM {schema}.accounts a WHERE a.sid = t.sid)
                    ) THEN
                        RAISE EXCEPTION 'one by one' USING ERRCODE = 'GA001';
                    END IF;
                    INSERT INTO {schema}.events (seq, n, kind, sid, after_record, after_boxes, after_minutes_used, after_last_used)
                        SELECT this, t.n - 1, CASE t.kind WHEN 0 THEN 0 ELSE 3 END, t.sid, t.record, t.boxes, t.minutes_used, t.last_used
                        FROM unnest(w_kind[w:up_to - 1], w_sid[w:up_to - 1], w_record[w:up_to - 1], w_boxes[w:up_to - 1],
                            w_minutes_used[w:up_to - 1], w_last_used[w:up_to - 1])
                            WITH ORDINALITY AS t(kind, sid, record, boxes, minutes_used, last_used, n);
                    INSERT INTO {schema}.changes (seq, commit_id, at, actor) VALUES (this, commit_ids[b], ats[b], actors[b]);
                    is_bulk := true;
                EXCEPTION WHEN unique_violation OR SQLSTATE 'GA001' THEN
                    is_bulk := false;
                END;
            END IF;
            IF NOT is_bulk THEN
                BEGIN
                    event := 0;
                    WHILE w < up_to LOOP
                        problem_holder := NULL;
                        problem_actual := NULL;
                        CASE w_kind[w]
                        WHEN 0 THEN
                            SELECT a.sid INTO found_sid FROM {schema}.accounts a WHERE a.sid = w_sid[w];
                            IF FOUND THEN
                                problem := 0;
                            ELSE
                                SELECT a.sid INTO found_sid FROM {schema}.accounts a WHERE a.folded_name = w_folded_name[w];
                                IF FOUND THEN
                                    problem := 1;
                                ELSIF w_sip_realm[w] IS NOT NULL THEN
                                    SELECT a.sid INTO found_sid FROM {schema}.accounts a WHERE a.sip_realm = w_sip_realm[w];
                                    IF FOUND THEN
                                        problem := 2;
                                    END IF;
                                END IF;
                            END IF;
                            IF problem IS NOT NULL THEN
                                problem_holder := found_sid;
                                RAISE EXCEPTION 'conflict' USING ERRCODE = 'GA001';
                            END IF;
                            INSERT INTO {schema}.accounts VALUES (w_sid[w], w_folded_name[w], w_sip_realm[w], w_service_provider[w],
                                w_revision[w], w_record[w], w_boxes[w], w_minutes_used[w]);
                            INSERT INTO {schema}.events (seq, n, kind, sid, after_record, after_boxes, after_minutes_used)
                                VALUES (this, event, 0, w_sid[w], w_record[w], w_boxes[w], w_minutes_used[w]);
                            event := event + 1;
                        WHEN 1 THEN
                            SELECT a.* INTO old FROM {schema}.accounts a WHERE a.sid = w_sid[w];
                            IF NOT FOUND THEN
                                problem := 4;
                            ELSIF old.revision <> w_expected[w] THEN
                                problem := 3;
                                problem_actual := old.revision;
                            ELSE
                                SELECT a.sid INTO found_sid FROM {schema}.accounts a
                                    WHERE a.folded_name = w_folded_name[w] AND a.sid <> w_sid[w];
                                IF FOUND THEN
                                    problem := 1;
                                ELSIF w_sip_realm[w] IS NOT NULL THEN
                                    SELECT a.sid INTO found_sid FROM {schema}.accounts a
                                        WHERE a.sip_realm = w_sip_realm[w] AND a.sid <> w_sid[w];
                                    IF FOUND THEN
                                        problem := 2;
                                    END IF;
                                END IF;
                                problem_holder := found_sid;
                            END IF;
                            IF problem IS NOT NULL THEN
                                RAISE EXCEPTION 'conflict' USING ERRCODE = 'GA001';
                            END IF;
                            UPDATE {schema}.accounts SET folded_name = w_folded_name[w], sip_realm = w_sip_realm[w],
                                service_provider = w_service_provider[w], revision = w_revision[w], record = w_record[w],
                                boxes = w_boxes[w]
                                WHERE sid = w_sid[w];
                            INSERT INTO {schema}.events (seq, n, kind, sid, before_record, before_boxes, before_minutes_used,
                                    after_record, after_boxes, after_minutes_used)
                                VALUES (this, event, 1, w_sid[w], old.record, old.boxes, old.minutes_used, w_record[w], w_boxes[w],
                                    old.minutes_used);
                            event := event + 1;
                        WHEN 2 THEN
                            SELECT a.* INTO old FROM {schema}.accounts a WHERE a.sid = w_sid[w];
                            IF NOT FOUND THEN
                                problem := 4;
                            ELSIF old.revision <> w_expected[w] THEN
                                problem := 3;
                                problem_actual := old.revision;
                            END IF;
                            IF problem IS NOT NULL THEN
                                RAISE EXCEPTION 'conflict' USING ERRCODE = 'GA001';
                            END IF;
                            INSERT INTO {schema}.events (seq, n, kind, sid, before_record, before_last_used)
                                SELECT this, event + (row_number() OVER (ORDER BY k.id))::integer - 1, 5, w_sid[w], k.record, k.last_used
                                FROM {schema}.api_keys k WHERE k.owner = w_sid[w]::text;
                            GET DIAGNOSTICS problem_actual = ROW_COUNT;
                            event := event + problem_actual;
                            DELETE FROM {schema}.api_keys k WHERE k.owner = w_sid[w]::text;
                            DELETE FROM {schema}.accounts a WHERE a.sid = w_sid[w];
                            INSERT INTO {schema}.events (seq, n, kind, sid, before_record, before_boxes, before_minutes_used)
                                VALUES (this, event, 2, w_sid[w], old.record, old.boxes, old.minutes_used);
                            event := event + 1;
                        WHEN 3 THEN
                            UPDATE {schema}.accounts SET minutes_used = w_minutes_used[w] WHERE sid = w_sid[w];
                        WHEN 4 THEN
                            IF w_at_most[w] IS NOT NULL AND (SELECT count(*) FROM (SELECT FROM {schema}.api_keys k
                                    WHERE k.owner = w_owner[w] LIMIT w_at_most[w]) first_keys) >= w_at_most[w] THEN
                                problem := 8;
                            ELSIF EXISTS (SELECT FROM {schema}.api_keys k WHERE k.id = w_id[w]) THEN
                                problem := 5;
                            ELSIF w_sid[w] IS NOT NULL
                                AND NOT EXISTS (SELECT FROM {schema}.accounts a WHERE a.sid = w_sid[w]) THEN
                                problem := 4;
                            END IF;
                            IF problem IS NOT NULL THEN
                                RAISE EXCEPTION 'conflict' USING ERRCODE = 'GA001';
                            END IF;
                            INSERT INTO {schema}.api_keys VALUES (w_id[w], w_owner[w], w_revision[w], w_record[w], w_last_used[w]);
                            INSERT INTO {schema}.events (seq, n, kind, sid, after_record, after_last_used)
                                VALUES (this, event, 3, w_sid[w], w_record[w], w_last_used[w]);
                            event := event + 1;
                        WHEN 5, 6 THEN
                            SELECT k.* INTO old FROM {schema}.api_keys k WHERE k.id = w_id[w];
                            IF NOT FOUND THEN
                                problem := 7;
                            ELSIF old.revision <> w_expected[w] THEN
                                problem := 6;
                                problem_actual := old.revision;
                            ELSIF w_kind[w] = 5 AND old.owner <> w_owner[w] THEN
                                problem := 5;
                            END IF;
                            IF problem IS NOT NULL THEN
                                RAISE EXCEPTION 'conflict' USING ERRCODE = 'GA001';
                            END IF;
                            IF w_kind[w] = 5 THEN
                                used := greatest(old.last_used, w_last_used[w]);
                                UPDATE {schema}.api_keys SET revision = w_revision[w], record = w_record[w], last_used = used
                                    WHERE id = w_id[w];
                                INSERT INTO {schema}.events (seq, n, kind, sid, before_record, before_last_used, after_record,
                                        after_last_used)
                                    VALUES (this, event, 4, w_sid[w], old.record, old.last_used, w_record[w], used);
                            ELSE
                                DELETE FROM {schema}.api_keys k WHERE k.id = w_id[w];
                                owner_sid := CASE WHEN length(old.owner) = 36 THEN old.owner::uuid END;
                                INSERT INTO {schema}.events (seq, n, kind, sid, before_record, before_last_used)
                                    VALUES (this, event, 5, owner_sid, old.record, old.last_used);
                            END IF;
                            event := event + 1;
                        ELSE
                            UPDATE {schema}.api_keys SET last_used = w_last_used[w]
                                WHERE id = w_id[w] AND (last_used IS NULL OR last_used < w_last_used[w]);
                        END CASE;
                        w := w + 1;
                    END LOOP;
                    INSERT INTO {schema}.changes (seq, commit_id, at, actor) VALUES (this, commit_ids[b], ats[b], actors[b]);
                EXCEPTION WHEN SQLSTATE 'GA001' THEN
                    this := NULL;
                END;
            END IF;
            IF this IS NULL THEN
                RETURN QUERY SELECT b, NULL::bigint, problem, w, problem_holder, problem_actual, NULL::integer, NULL::smallint,
                    NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::bigint;
            ELSE
                latest := this;
            END IF;
        END IF;
        w := up_to;
        IF this IS NOT NULL THEN
            RETURN QUERY SELECT b, this, NULL::smallint, NULL::integer, NULL::uuid, NULL::bigint, NULL::integer, NULL::smallint,
                NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::bigint;
            -- Of what is new the writer knows all.
            RETURN QUERY SELECT b, this, NULL::smallint, NULL::integer, NULL::uuid, NULL::bigint, e.n, e.kind, e.before_record,
                e.before_boxes, e.before_minutes_used, e.before_last_used, e.after_last_used
                FROM {schema}.events e WHERE e.seq = this AND e.kind NOT IN (0, 3) ORDER BY e.n;
        END IF;
    END LOOP;
    IF latest > first_seq THEN
        UPDATE {schema}.head SET seq = latest;
        PERFORM pg_notify(channel, latest::text);
    END IF;
END
$commit$;

-- Forgets the oldest commits, some of them at a time, but none of the latest `keep` and of the last ten minutes.
CREATE FUNCTION {schema}.trim_history(keep bigint) RETURNS void LANGUAGE plpgsql AS $trim$
DECLARE
    latest bigint;
    done bigint;
    up_to bigint;
BEGIN
    SELECT h.seq, h.trimmed INTO latest, done FROM {schema}.head h;
    up_to := least(latest - keep, done + 5000);
    SELECT max(c.seq) INTO up_to FROM {schema}.changes c
        WHERE c.seq > done AND c.seq <= up_to AND c.stored < now() - interval '10 minutes';
    IF up_to IS NOT NULL AND pg_try_advisory_xact_lock(hashtextextended('gateway-accounts trim {schema}', 0)) THEN
        DELETE FROM {schema}.events e WHERE e.seq <= up_to;
        DELETE FROM {schema}.changes c WHERE c.seq <= up_to;
        -- Last, since who commits waits for it.
        UPDATE {schema}.head SET trimmed = greatest(trimmed, up_to);
    END IF;
END
$trim$;
