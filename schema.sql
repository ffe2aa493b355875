-- What the tool keeps in PostgreSQL, in two parts: its own memory, and the company's tables, which the shipped mappings
-- fill (two boards, contacts, organizations).
--
-- This file can be run on an empty database, on the current one, and on every earlier state, any number of times: it
-- makes what is missing and loses nothing. It needs nothing but core PostgreSQL (13 or later) and plpgsql. Indexes that
-- tables with many rows get later are made by `init-db` while writers go on: they are listed in state/schema.py.
--
-- Words: a link says which item of a board and which row are the same thing; its base is what both sides last showed
-- when they agreed. See docs/monday_to_database_mapping.md for which board column fills which table column.

-- Two programs that make the tables at once would trip over each other; the lock goes with the transaction.
select pg_advisory_xact_lock(hashtextextended('monday-sync:' || coalesce(current_schema(), '') || ':schema', 0));

-- To alter a table, or to make an index, waits for every writer of it and keeps new writers waiting, also with `if not
-- exists`. So each function here looks first, and where nothing is missing nothing waits.
create or replace function pg_temp.column(target text, declaration text) returns void
language plpgsql as $$
begin
    if not exists (
        select from pg_attribute
        where attrelid = target::regclass and attname = split_part(declaration, ' ', 1) and not attisdropped
    ) then
        execute format('alter table %I add column %s', target, declaration);
    end if;
end $$;

-- Each table is declared with its key alone, and its columns are added one by one: that is the same on a database that
-- has the table, half of it, or nothing.
create or replace function pg_temp.columns(target text, variadic declarations text[]) returns void
language plpgsql as $$
declare
    declaration text;
begin
    execute format('create table if not exists %I (id uuid primary key default gen_random_uuid())', target);
    foreach declaration in array declarations || array[
        'created_at timestamptz not null default now()',
        'updated_at timestamptz not null default now()'
    ] loop
        perform pg_temp.column(target, declaration);
    end loop;
end $$;

-- Only where it is needed: a column that a view shows cannot be altered at all.
create or replace function pg_temp.as_text(target text, name text) returns void
language plpgsql as $$
begin
    if exists (
        select from pg_attribute
        where attrelid = target::regclass and attname = name and atttypid <> 'text'::regtype and not attisdropped
    ) then
        execute format('alter table %I alter column %I type text using %I::text', target, name, name);
    end if;
end $$;

create or replace function pg_temp.nullable(target text, name text) returns void
language plpgsql as $$
begin
    if exists (
        select from pg_attribute
        where attrelid = target::regclass and attname = name and attnotnull and not attisdropped
    ) then
        execute format('alter table %I alter column %I drop not null', target, name);
    end if;
end $$;

create or replace function pg_temp.has_index(target text, name text) returns boolean
language sql as $$
    select exists (
        select from pg_class as i join pg_class as t on t.relnamespace = i.relnamespace
        where i.relname = name and t.oid = target::regclass)
$$;

-- `place` is the table and what of it is indexed.
create or replace function pg_temp.index(name text, place text, kind text default '') returns void
language plpgsql as $$
begin
    if not pg_temp.has_index(split_part(place, ' ', 1), name) then
        execute format('create %s index %I on %s', kind, name, place);
    end if;
end $$;

-- Where rows are alike already, the index is a plain one, until a later run finds that they have been removed.
-- Returned is whether it is unique.
create or replace function pg_temp.unique_index(stem text, target text, what text) returns boolean
language plpgsql as $$
declare
    alike boolean := false;
begin
    if not pg_temp.has_index(target, stem || '_key') then
        execute format(
            'select exists (select from %I where (%s) is not null group by %s having count(*) > 1)', target, what, what
        ) into alike;
    end if;
    if alike then
        perform pg_temp.index(stem || '_idx', format('%I (%s)', target, what));
    else
        perform pg_temp.index(stem || '_key', format('%I (%s)', target, what), 'unique');
    end if;
    return not alike;
end $$;

-- A notice for each thing that is there already would drown the ones that matter.
set local client_min_messages = warning;


-- ---------------------------------------------------------------------------------------------------------------------
-- How texts are compared that are keys: as `values/folding.py` does it, whatever the database's collation. What cannot be
-- seen at the ends does not count, nor does the normal form; for `sync_fold` the case of letters does not count either.
-- Plain ASCII, which most texts are, is dealt with in expressions that the planner puts into the statement.

do $$
declare
    blanks text := e'\t\n\x0b\f\r\x1c\x1d\x1e\x1f ';
    fold_wide text;
    capitals text[];
    small text[];
    ligatures text;
begin
    -- other encodings know few letters: the database's own rules have to do
    if getdatabaseencoding() <> 'UTF8' then
        execute format(
            'create or replace function sync_bare(value text) returns text'
            ' language sql immutable parallel safe as %L',
            format('select btrim(value, %L)', blanks)
        );
        execute format(
            'create or replace function sync_fold(value text) returns text'
            ' language sql immutable parallel safe as %L',
            format('select lower(btrim(value, %L))', blanks)
        );
        return;
    end if;
    -- first and last letter, step, and how far away the folded letter is
    with runs (first, last, step, distance) as (
        values
            (181, 181, 1, 775), (198, 198, 1, 32), (208, 208, 1, 32), (216, 216, 1, 32), (222, 222, 1, 32),
            (272, 272, 1, 1), (294, 294, 1, 1), (306, 306, 1, 1), (319, 321, 2, 1), (330, 330, 1, 1), (338, 338, 1, 1),
            (358, 358, 1, 1), (383, 383, 1, -268), (385, 385, 1, 210), (386, 388, 2, 1), (390, 390, 1, 206),
            (391, 391, 1, 1), (393, 394, 1, 205), (395, 395, 1, 1), (398, 398, 1, 79), (399, 399, 1, 202),
            (400, 400, 1, 203), (401, 401, 1, 1), (403, 403, 1, 205), (404, 404, 1, 207), (406, 406, 1, 211),
            (407, 407, 1, 209), (408, 408, 1, 1), (412, 412, 1, 211), (413, 413, 1, 213), (415, 415, 1, 214),
            (418, 420, 2, 1), (422, 422, 1, 218), (423, 423, 1, 1), (425, 425, 1, 218), (428, 428, 1, 1),
            (430, 430, 1, 218), (433, 434, 1, 217), (435, 437, 2, 1), (439, 439, 1, 219), (440, 440, 1, 1),
            (444, 444, 1, 1), (452, 452, 1, 2), (453, 453, 1, 1), (455, 455, 1, 2), (456, 456, 1, 1), (458, 458, 1, 2),
            (459, 459, 1, 1), (484, 484, 1, 1), (497, 497, 1, 2), (498, 498, 1, 1), (502, 502, 1, -97), (503, 503, 1, -56),
            (540, 540, 1, 1), (544, 544, 1, -130), (546, 548, 2, 1), (570, 570, 1, 10795), (571, 571, 1, 1),
            (573, 573, 1, -163), (574, 574, 1, 10792), (577, 577, 1, 1), (579, 579, 1, -195), (580, 580, 1, 69),
            (581, 581, 1, 71), (582, 590, 2, 1), (837, 837, 1, 116), (880, 882, 2, 1), (886, 886, 1, 1),
            (895, 895, 1, 116), (913, 929, 1, 32), (931, 937, 1, 32), (962, 962, 1, 1), (975, 975, 1, 8),
            (976, 976, 1, -30), (977, 977, 1, -25), (981, 981, 1, -15), (982, 982, 1, -22), (984, 1006, 2, 1),
            (1008, 1008, 1, -54), (1009, 1009, 1, -48), (1012, 1012, 1, -60), (1013, 1013, 1, -64), (1015, 1015, 1, 1),
            (1017, 1017, 1, -7), (1018, 1018, 1, 1), (1021, 1023, 1, -130), (1026, 1034, 2, 80), (1029, 1029, 1, 80),
            (1033, 1035, 2, 80), (1039, 1039, 1, 80), (1040, 1070, 2, 32), (1041, 1047, 2, 32), (1051, 1071, 2, 32),
            (1120, 1140, 2, 1), (1144, 1152, 2, 1), (1162, 1214, 2, 1), (1216, 1216, 1, 15), (1219, 1229, 2, 1),
            (1236, 1236, 1, 1), (1240, 1240, 1, 1), (1248, 1248, 1, 1), (1256, 1256, 1, 1), (1270, 1270, 1, 1),
            (1274, 1326, 2, 1), (1329, 1366, 1, 48), (4256, 4293, 1, 7264), (4295, 4295, 1, 7264), (4301, 4301, 1, 7264),
            (5112, 5117, 1, -8), (7296, 7296, 1, -6222), (7297, 7297, 1, -6221), (7298, 7298, 1, -6212),
            (7299, 7300, 1, -6210), (7301, 7301, 1, -6211), (7302, 7302, 1, -6204), (7303, 7303, 1, -6180),
            (7304, 7304, 1, 35267), (7312, 7354, 1, -3008), (7357, 7359, 1, -3008), (7930, 7934, 2, 1),
            (8498, 8498, 1, 28), (8544, 8559, 1, 16), (8579, 8579, 1, 1), (9398, 9423, 1, 26), (11264, 11311, 1, 48),
            (11360, 11360, 1, 1), (11362, 11362, 1, -10743), (11363, 11363, 1, -3814), (11364, 11364, 1, -10727),
            (11367, 11371, 2, 1), (11373, 11373, 1, -10780), (11374, 11374, 1, -10749), (11375, 11375, 1, -10783),
            (11376, 11376, 1, -10782), (11378, 11378, 1, 1), (11381, 11381, 1, 1), (11390, 11391, 1, -10815),
            (11392, 11490, 2, 1), (11499, 11501, 2, 1), (11506, 11506, 1, 1), (42560, 42604, 2, 1), (42624, 42650, 2, 1),
            (42786, 42798, 2, 1), (42802, 42862, 2, 1), (42873, 42875, 2, 1), (42877, 42877, 1, -35332),
            (42878, 42886, 2, 1), (42891, 42891, 1, 1), (42893, 42893, 1, -42280), (42896, 42898, 2, 1),
            (42902, 42920, 2, 1), (42922, 42922, 1, -42308), (42923, 42923, 1, -42319), (42924, 42924, 1, -42315),
            (42925, 42925, 1, -42305), (42926, 42926, 1, -42308), (42928, 42928, 1, -42258), (42929, 42929, 1, -42282),
            (42930, 42930, 1, -42261), (42931, 42931, 1, 928), (42932, 42946, 2, 1), (42948, 42948, 1, -48),
            (42949, 42949, 1, -42307), (42950, 42950, 1, -35384), (42951, 42953, 2, 1), (42960, 42960, 1, 1),
            (42966, 42968, 2, 1), (42997, 42997, 1, 1), (43888, 43967, 1, -38864), (65313, 65338, 1, 32),
            (66560, 66599, 1, 40), (66736, 66771, 1, 40), (66928, 66964, 2, 39), (66929, 66937, 2, 39),
            (66941, 66953, 2, 39), (66957, 66961, 2, 39), (66965, 66965, 1, 39), (68736, 68786, 1, 64),
            (71840, 71871, 1, 32), (93760, 93791, 1, 32), (125184, 125217, 1, 34)
    ),
    letters as (
        -- the scripts that are met most come first, in a list of their own
        select code >= 1328 as rare, string_agg(chr(code), '' order by code) as capitals,
            string_agg(chr(code + distance), '' order by code) as small
        from runs, generate_series(first, last, step) as code
        group by 1
    )
    select array_agg(l.capitals order by rare), array_agg(l.small order by rare)
    into capitals, small
    from letters as l;
    -- letters that fold to several
    select string_agg(
        format('    folded := replace(folded, %L, %L);', chr(code), chr(a) || chr(b) || coalesce(chr(c), '')), e'\n'
    )
    into ligatures
    from (
        values
            (223, 115, 115, null), (7838, 115, 115, null), (329, 700, 110, null), (7834, 97, 702, null),
            (64256, 102, 102, null), (64257, 102, 105, null), (64258, 102, 108, null), (64259, 102, 102, 105),
            (64260, 102, 102, 108), (64261, 115, 116, null), (64262, 115, 116, null), (1415, 1381, 1410, null),
            (64275, 1396, 1398, null), (64276, 1396, 1381, null), (64277, 1396, 1387, null),
            (64278, 1406, 1398, null), (64279, 1396, 1389, null)
    ) as ligature (code, a, b, c);
    select blanks || string_agg(chr(code), '')
    into blanks
    from unnest(
        array[133, 160, 5760, 6158, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8203, 8204, 8205, 8206,
            8207, 8232, 8233, 8239, 8287, 8288, 12288, 65279]
    ) as code;
    fold_wide := format(
        $body$
declare
    folded text := lower(normalize(value, nfd) collate "C");
begin
    if folded ~ %L then
        folded := translate(folded, %L, %L);
    end if;
    if folded ~ %L then
        folded := translate(folded, %L, %L);
    end if;
    if folded ~ %L then
%s
    end if;
    return btrim(normalize(folded, nfc), %L);
end
        $body$,
        '[' || capitals[1] || ']', capitals[1], small[1],
        '[' || capitals[2] || ']', capitals[2], small[2],
        '[' || (select string_agg(chr(code), '') from unnest(array[223, 7838, 329, 7834, 1415]) as code)
            || chr(64256) || '-' || chr(64279) || ']',
        ligatures, blanks
    );
    execute format(
        'create or replace function sync_fold_wide(value text) returns text'
        ' language plpgsql immutable strict parallel safe as %L', fold_wide
    );
    -- The schema is named: an index is made where the search path is not the tool's.
    execute format(
        'create or replace function sync_fold(value text) returns text language sql immutable parallel safe as %L',
        format(
            'select case when octet_length(value) = char_length(value)'
            ' then lower(btrim(value, %L) collate "C") else %I.sync_fold_wide(value) end',
            left(blanks, 10), current_schema()
        )
    );
    execute format(
        'create or replace function sync_bare(value text) returns text language sql immutable parallel safe as %L',
        format(
            'select case when octet_length(value) = char_length(value)'
            ' then btrim(value, %L) else btrim(normalize(value, nfc), %L) end',
            left(blanks, 10), blanks
        )
    );
end $$;


-- ---------------------------------------------------------------------------------------------------------------------
-- Part 1: the tool's memory. Any process can die at any instant; a new one carries on from what stands here.

-- One row a link. `entity_id` is text, because a mapping can name a table with any kind of key.
--
-- `base` is what the item last showed, `base_postgres` only those fields in which the row was known to differ.
-- `monday_hash` is over all that was read of the item: when it is the same again, nothing needs to be looked at.
-- An intent is written before an item is created: `intent` is a hash of what is sent, `intent_key` names its document.
select pg_temp.columns('sync_mapping',
    'monday_id text',
    'entity_id text',
    'entity_type text not null',
    'monday_board_id text',
    'base jsonb',
    'base_postgres jsonb',
    'monday_hash text',
    'monday_updated_at timestamptz',
    'sync_enabled boolean not null default true',
    'sync_direction text not null default ''bidirectional''',
    'sync_status text not null default ''synced''',
    'archived_at timestamptz',
    'intent text',
    'intent_key text',
    'intent_at timestamptz',
    'attempts integer not null default 0',
    'next_try_at timestamptz',
    'last_error text',
    'synced_at timestamptz');

-- Earlier states kept the keys as uuid or integer.
select pg_temp.as_text('sync_mapping', 'entity_id'), pg_temp.as_text('sync_mapping', 'monday_id'),
       pg_temp.as_text('sync_mapping', 'monday_board_id');
select pg_temp.nullable('sync_mapping', 'monday_id'), pg_temp.nullable('sync_mapping', 'entity_id');

do $$
begin
    if not pg_temp.unique_index('sync_mapping_item', 'sync_mapping', 'monday_id, entity_type')
        or not pg_temp.unique_index('sync_mapping_row', 'sync_mapping', 'entity_id, entity_type')
    then
        raise warning 'sync_mapping holds two links for one item or one row; see docs/troubleshooting.md';
    end if;
end $$;
select pg_temp.index('sync_mapping_retry_idx', 'sync_mapping (next_try_at) where next_try_at is not null');

-- What monday.com is being told, until its answer is written down. A run after a kill that finds it here, and the item
-- showing it, knows it as the tool's own words.
select pg_temp.column('sync_mapping', 'sending jsonb');
-- A hash of the cells that were found to show the base, and of the base itself: a proof sees by it that both are still so.
select pg_temp.column('sync_mapping', 'seal text');
select pg_temp.index('sync_mapping_sending_idx', 'sync_mapping (entity_type) where sending is not null');
select pg_temp.index('sync_mapping_intent_idx', 'sync_mapping (intent_at) where intent_at is not null');

-- The documents in which items are about to be created: the same document under the same key makes nothing twice. A row
-- here is in doubt; the links it is about carry its key in `intent_key`, and no item yet.
create table if not exists sync_intents (
    key text primary key,
    entity_type text not null,
    monday_board_id text not null,
    kind text not null,
    document jsonb not null,
    job_id text,
    created_at timestamptz not null default now());

-- One row for each record of SmartSuite that a row of a query is synced with. `base` is what was last sent and accepted, by
-- slug; `source_hash` is over the row as the mapping reads it, so that a row without news needs no look at SmartSuite.
-- `intent_at` is written before a record is created, and cleared with its answer: until then the record is in doubt.
create table if not exists sync_records (
    sync_name text not null,
    source_key text not null,
    table_id text not null,
    record_id text,
    base jsonb,
    source_hash text,
    intent_at timestamptz,
    attempts integer not null default 0,
    next_try_at timestamptz,
    last_error text,
    synced_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (sync_name, source_key));
-- When its record was put into the recycle bin, because the query has the row no more.
select pg_temp.column('sync_records', 'removed_at timestamptz');
-- What a call is about to write into the record: until the call is answered, the record may show either that or `base`.
select pg_temp.column('sync_records', 'sent jsonb');
-- The records that the row names and that are not there yet: keys of rows, or titles, by the id of their table.
select pg_temp.column('sync_records', 'unlinked jsonb');
-- The hash of the row that was refused, or whose links wait: without tries, a user has given it up until it changes.
select pg_temp.column('sync_records', 'refused_hash text');

-- The same for people, under names by which they may look for it; tables of their own with these names stay.
do $$
begin
    if to_regclass('record_mappings') is null then
        create view record_mappings as
        select sync_name, source_key, table_id, record_id, source_hash, synced_at, attempts, next_try_at, last_error
        from sync_records;
    end if;
end $$;

-- Items that were skipped, and why: reported once, and again when the reason changes. `key` is what would make it a
-- record: an item that waits for the key of another is read again when that key is free.
select pg_temp.columns('sync_skipped',
    'entity_type text not null',
    'monday_id text not null',
    'monday_board_id text',
    'reason text not null',
    'key text',
    'monday_hash text',
    'attempts integer not null default 0',
    'next_try_at timestamptz');
select pg_temp.index('sync_skipped_key', 'sync_skipped (monday_id, entity_type)', 'unique');

-- One row for each operation that did something, was refused, or skipped something.
select pg_temp.columns('sync_logs',
    'run_id uuid',
    'entity_type text',
    'entity_id text',
    'monday_id text',
    'operation text',
    'status text',
    'message text');
select pg_temp.as_text('sync_logs', 'entity_id'), pg_temp.as_text('sync_logs', 'monday_id');
select pg_temp.nullable('sync_logs', 'entity_id'), pg_temp.nullable('sync_logs', 'monday_id');
select pg_temp.column('sync_logs', 'side text');

-- `created_at` is the time of a transaction, and `id` is random: `seq` is the order within it. An identity column would write
-- all rows anew and keep every writer waiting; a column without a value, with a default for new rows, changes the catalogue
-- alone. Rows of before have none, so the order is: created_at, seq nulls first, id.
--
-- How many rows of a kind came in each hour is counted in the transaction that writes them, by whatever wrote them: nothing
-- is counted twice or lost, and the sums stay when old rows are deleted. Rows without `seq` are counted by `init-db`.
create table if not exists sync_stats (
    hour timestamptz not null,
    entity_type text not null,
    side text not null,
    operation text not null,
    status text not null,
    n bigint not null,
    primary key (hour, entity_type, side, operation, status)) with (fillfactor = 70);

do $$
begin
    if not exists (
        select from pg_attribute where attrelid = 'sync_logs'::regclass and attname = 'seq' and not attisdropped
    ) then
        create sequence if not exists sync_logs_seq;
        alter table sync_logs add column seq bigint;
        alter table sync_logs alter column seq set default nextval('sync_logs_seq');
        alter sequence sync_logs_seq owned by sync_logs.seq;

        create or replace function monday_sync_count_logs() returns trigger
        language plpgsql set search_path from current as $body$
        begin
            insert into sync_stats as s (hour, entity_type, side, operation, status, n)
            select date_trunc('hour', created_at, 'UTC'), coalesce(entity_type, ''), coalesce(side, ''),
                   coalesce(operation, ''), coalesce(status, ''), count(*)
            from added
            group by 1, 2, 3, 4, 5
            -- two transactions take rows in the same order
            order by 1, 2, 3, 4, 5
            on conflict (hour, entity_type, side, operation, status) do update set n = s.n + excluded.n;
            return null;
        end $body$;

        create trigger monday_sync_count after insert on sync_logs
        referencing new table as added
        for each statement execute function monday_sync_count_logs();
    end if;
end $$;
select pg_temp.index('sync_logs_run_idx', 'sync_logs (run_id)');
select pg_temp.index('sync_logs_created_idx', 'sync_logs (created_at)');

-- One row a run: what it did (`entities`), what it cost (`api`), how it ended. While it goes on, a thread of it tells every
-- 2 s that it lives (`heartbeat_at`), how far each entity is (`progress`), and looks whether it is to stop.
select pg_temp.columns('sync_runs',
    'kind text',
    'direction text',
    'started_at timestamptz not null default now()',
    'finished_at timestamptz',
    'exit_code integer',
    'outcome text',
    'message text',
    'entities jsonb',
    'api jsonb',
    'heartbeat_at timestamptz',
    'progress jsonb',
    'stop_asked_at timestamptz',
    'host text',
    'pid integer',
    -- how often such a run is due
    'period_s integer');
select pg_temp.index('sync_runs_started_idx', 'sync_runs (started_at)');

-- What the calls of each hour have cost: what a run adds to its `api` is added here in the same transaction.
create table if not exists sync_spent (
    hour timestamptz not null,
    kind text not null,
    direction text not null,
    calls numeric not null,
    complexity numeric not null,
    retries numeric not null,
    waited_s numeric not null,
    primary key (hour, kind, direction)) with (fillfactor = 70);

do $$
begin
    if not exists (
        select from pg_trigger where tgrelid = 'sync_runs'::regclass and tgname = 'monday_sync_count'
    ) then
        create or replace function monday_sync_count_costs() returns trigger
        language plpgsql set search_path from current as $body$
        declare
            before jsonb := '{}';
        begin
            if tg_op = 'UPDATE' then
                before := coalesce(old.api, '{}');
            end if;
            insert into sync_spent as s (hour, kind, direction, calls, complexity, retries, waited_s)
            select date_trunc('hour', clock_timestamp(), 'UTC'), coalesce(new.kind, ''), coalesce(new.direction, ''),
                   d.calls, d.complexity, d.retries, d.waited_s
            from (
                select coalesce((new.api ->> 'calls')::numeric, 0) - coalesce((before ->> 'calls')::numeric, 0) as calls,
                       coalesce((new.api ->> 'complexity')::numeric, 0)
                           - coalesce((before ->> 'complexity')::numeric, 0) as complexity,
                       coalesce((new.api ->> 'retries')::numeric, 0)
                           - coalesce((before ->> 'retries')::numeric, 0) as retries,
                       coalesce((new.api ->> 'waited_s')::numeric, 0)
                           - coalesce((before ->> 'waited_s')::numeric, 0) as waited_s
            ) as d
            where (d.calls, d.complexity, d.retries, d.waited_s) <> (0, 0, 0, 0)
            on conflict (hour, kind, direction) do update
            set calls = s.calls + excluded.calls, complexity = s.complexity + excluded.complexity,
                retries = s.retries + excluded.retries, waited_s = s.waited_s + excluded.waited_s;
            return null;
        end $body$;

        create trigger monday_sync_count after insert or update of api on sync_runs
        for each row execute function monday_sync_count_costs();

        -- The runs of before, in the hours in which they began.
        insert into sync_spent (hour, kind, direction, calls, complexity, retries, waited_s)
        select date_trunc('hour', started_at, 'UTC'), coalesce(kind, ''), coalesce(direction, ''),
               coalesce(sum((api ->> 'calls')::numeric), 0), coalesce(sum((api ->> 'complexity')::numeric), 0),
               coalesce(sum((api ->> 'retries')::numeric), 0), coalesce(sum((api ->> 'waited_s')::numeric), 0)
        from sync_runs
        where api is not null
        group by 1, 2, 3;
    end if;
end $$;

-- How long changes took to get to a side, by hour: the live work adds to it, at most once a round. `counts` says how many
-- took up to 0.1 s, up to 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800 s, and longer: so a median can be told of many hours.
create table if not exists sync_latency (
    hour timestamptz not null,
    entity_type text not null,
    side text not null,
    n integer not null,
    seconds double precision not null,
    shortest_s double precision not null,
    longest_s double precision not null,
    counts integer[] not null,
    primary key (hour, entity_type, side)) with (fillfactor = 70);

-- Watermarks, and whatever else is one value under one name.
create table if not exists sync_state (
    name text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now());

do $$
begin
    if to_regclass('sync_metadata') is null then
        create view sync_metadata as
        select substr(name, 7) as sync_name, (value ->> 'mark')::timestamptz as last_sync_time, updated_at
        from sync_state
        where name like 'query:%';
    end if;
end $$;


-- Webhook events that wait to be looked at. monday.com may deliver one several times; it counts once.
create table if not exists sync_inbox (
    id bigint generated always as identity primary key,
    trigger_id text not null unique,
    monday_board_id text,
    monday_id text,
    event text not null,
    body jsonb not null,
    received_at timestamptz not null default clock_timestamp(),
    attempts integer not null default 0,
    next_try_at timestamptz,
    last_error text);
-- What has been dealt with is kept for some hours, so that a delivery that comes again is known.
select pg_temp.column('sync_inbox', 'done_at timestamptz');
select pg_temp.index('sync_inbox_waiting_idx', 'sync_inbox (monday_board_id, id) where done_at is null');

-- Rows that were changed with SQL and have not been looked at yet. Written by triggers in the writer's own
-- transaction, removed when the change has been dealt with, so nothing depends on the order in which transactions end.
create table if not exists sync_outbox (
    id bigint generated always as identity primary key,
    entity_type text not null,
    table_name text not null,
    row_id text not null,
    operation text not null,
    changed_at timestamptz not null default clock_timestamp(),
    attempts integer not null default 0,
    next_try_at timestamptz,
    last_error text);
select pg_temp.column('sync_outbox', $$entity_type text not null default ''$$);
-- Which columns an update has changed; null: any.
select pg_temp.column('sync_outbox', 'columns text[]');

-- Fields that both sides changed to different values, and which side won; `held` waits for a person.
select pg_temp.columns('sync_conflicts',
    'run_id uuid',
    'entity_type text not null',
    'entity_id text',
    'monday_id text',
    'field text not null',
    'base_value jsonb',
    'monday_value jsonb',
    'postgres_value jsonb',
    'monday_changed_at timestamptz',
    'postgres_changed_at timestamptz',
    'rule text not null',
    'winner text not null',
    'status text not null default ''open''',
    'resolved_at timestamptz');
select pg_temp.index('sync_conflicts_open_idx', $$sync_conflicts (entity_type, entity_id) where status = 'open'$$);

-- A proof compares both sides of an entity with each other and with what is remembered. What it finds stays `open` until a
-- repair mends it (`mended`) or a later proof does not find it (`gone`). `state` changes with either side and the link.
create table if not exists sync_proofs (
    id uuid primary key,
    entity_type text not null,
    monday_board_id text not null,
    kind text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    outcome text not null default 'running',
    message text,
    counts jsonb,
    digest_monday text,
    digest_postgres text,
    api jsonb);
create table if not exists sync_findings (
    id uuid primary key default gen_random_uuid(),
    proof_id uuid not null,
    entity_type text not null,
    class text not null,
    monday_id text,
    entity_id text,
    cause text not null,
    fields jsonb not null,
    state text not null,
    content text,
    status text not null default 'open',
    found_at timestamptz not null default now(),
    settled_at timestamptz);
select pg_temp.index('sync_findings_open_idx', $$sync_findings (entity_type) where status = 'open'$$);

-- What a proof has read: cells of the link's item showed the base of this version of the link. `cells` is a hash of them and
-- of all that decides how they are read, `seen_row` one of the row that showed the same, `shown` the digest of that. When the
-- table is emptied, the next proof takes all cells and rows apart again.
create unlogged table if not exists sync_proved (
    link uuid primary key,
    cells text not null,
    version text not null);
select pg_temp.column('sync_proved', 'seen_row text'), pg_temp.column('sync_proved', 'shown text');

-- How each subject is, by each rule that it is judged by. `told` is what its last message said: the message that follows is
-- written in the transaction that changes it.
create table if not exists sync_alerts (
    subject text not null,
    rule text not null,
    state text not null,
    since timestamptz,
    seen integer not null default 0,
    sentence text not null default '',
    passing boolean not null default false,
    command text not null default '',
    told text not null default 'ok',
    told_at timestamptz,
    recovered_at timestamptz,
    flaps integer not null default 0,
    checked_at timestamptz not null default now(),
    primary key (subject, rule));
create table if not exists sync_alert_silences (
    subject text primary key,
    until timestamptz not null);

-- Messages. Without a channel: for all channels, until a process that knows them makes a row of each. A process that sends
-- a message claims its row first (`sending`): a row that stays so was sent by a process that died, and is not sent again.
create table if not exists sync_alert_deliveries (
    id bigint generated always as identity primary key,
    subject text not null,
    rule text not null,
    kind text not null,
    title text not null,
    body text not null,
    channel text,
    state text not null default 'waiting',
    attempts integer not null default 0,
    next_try_at timestamptz not null default now(),
    claimed_at timestamptz,
    claimed_by text,
    answer text,
    answered_at timestamptz,
    created_at timestamptz not null default now());
select pg_temp.index('sync_alert_deliveries_waiting_idx', $$sync_alert_deliveries (id) where state in ('waiting', 'sending')$$);
select pg_temp.index('sync_alert_deliveries_channel_idx', 'sync_alert_deliveries (channel, id)');

-- The ids that a listing has seen, page by page, so that what is missing at its end can be found in the database.
create unlogged table if not exists sync_listing (
    pass uuid not null,
    monday_id text not null,
    monday_updated_at timestamptz,
    primary key (pass, monday_id));
-- What a process that was killed has left is known by its age.
select pg_temp.column('sync_listing', 'noted_at timestamptz not null default now()');

-- Boards that were turned into tables by `boards deploy`.
create table if not exists board_registry (
    name text primary key,
    board_id text not null,
    board_name text,
    table_name text not null,
    mapping_path text,
    columns jsonb,
    rows bigint,
    status text not null default 'deployed',
    deployed_at timestamptz not null default now(),
    synced_at timestamptz,
    updated_at timestamptz not null default now());

-- The texts of mappings, of every version; the newest counts. One that is not `live` belongs to a board that is being deployed,
-- or that was taken out of the registry: no run reads it.
create table if not exists sync_mappings (
    entity text not null,
    version integer not null,
    text text not null,
    digest text not null,
    live boolean not null,
    changed_at timestamptz not null default now(),
    changed_by text not null,
    primary key (entity, version));

-- A process that writes both rows and links takes this table's lock first, before it looks at anything: two processes
-- then cannot both find a shared row missing and make it twice. A page of a board shares the lock with pages of mappings
-- that write other tables, and takes an advisory lock for each of its own.
create table if not exists sync_turn (id boolean primary key default true check (id));


-- ---------------------------------------------------------------------------------------------------------------------
-- Part 2: the company's tables. Each row of a board's own table can be archived: its item is gone, what it held is not.

select pg_temp.columns('sales_teams',
    'name text',
    'region text',
    'goals jsonb');

-- The people who sell, manage, estimate, supervise or bring in projects. `role` is Sales Staff for the people of the
-- staff board, and what a project made of them for the others.
select pg_temp.columns('users',
    'monday_id text',
    'monday_account_id text',
    'name text',
    'email text',
    'role text',
    'department text',
    'status text',
    'team_id uuid references sales_teams (id) on delete set null',
    'metadata jsonb not null default ''{}''',
    'archived_at timestamptz');

select pg_temp.columns('customers',
    'name text',
    'email text',
    'phone text');

-- `address_raw` is the address as it was written; the parts are what could be understood of it.
select pg_temp.columns('properties',
    'customer_id uuid references customers (id) on delete set null',
    'street text',
    'city text',
    'state text',
    'zip text',
    'country text',
    'type text',
    'square_footage numeric',
    'year_built integer',
    'roof_type text',
    'status text',
    'notes text',
    'damage_info jsonb',
    'measurements jsonb',
    'one_click_codes jsonb',
    'address_raw text');

select pg_temp.columns('pa_law',
    'name text',
    'phone text',
    'email text');

select pg_temp.columns('insurances',
    'company_name text',
    'company_phone text',
    'company_email text');

-- A policy without number is one that an insurer or a claim of a single project hangs on.
select pg_temp.columns('policies',
    'customer_id uuid references customers (id) on delete set null',
    'insurance_id uuid references insurances (id) on delete set null',
    'policy_number text',
    'start_date date',
    'end_date date',
    'coverage_amount numeric',
    'status text');

select pg_temp.columns('insurance_claims',
    'policy_id uuid references policies (id) on delete set null',
    'claim_number text',
    'adjuster_name text',
    'adjuster_phone text',
    'adjuster_email text');

select pg_temp.columns('storms',
    'date date',
    'name text',
    'region text');

-- `stage` is the word the board shows; `status` is the same in the four words the database knows.
select pg_temp.columns('projects',
    'monday_id text',
    'title text',
    'name text',
    'description text',
    'status text not null default ''pending''',
    'stage text',
    'phase text not null default ''pre-sale''',
    'production_status text not null default ''not_started''',
    'link text',
    'company_cam_link text',
    'estimated_value numeric',
    'total_payment numeric',
    'customer_id uuid references customers (id) on delete set null',
    'property_id uuid references properties (id) on delete set null',
    'team_id uuid references sales_teams (id) on delete set null',
    'policy_id uuid references policies (id) on delete set null',
    'claim_id uuid references insurance_claims (id) on delete set null',
    'storm_id uuid references storms (id) on delete set null',
    'pa_law_id uuid references pa_law (id) on delete set null',
    'partner_id uuid references users (id) on delete set null',
    'project_manager_id uuid references users (id) on delete set null',
    'estimator_id uuid references users (id) on delete set null',
    'superintendent_id uuid references users (id) on delete set null',
    'sales_rep_id uuid references users (id) on delete set null',
    'metadata jsonb not null default ''{}''',
    'archived_at timestamptz');

-- A note goes with its project; what it says about a customer or a property outlives them.
select pg_temp.columns('notes',
    'content text',
    'customer_id uuid references customers (id) on delete set null',
    'project_id uuid references projects (id) on delete cascade',
    'property_id uuid references properties (id) on delete set null');

select pg_temp.columns('organizations',
    'monday_id text',
    'name text',
    'street text',
    'city text',
    'state text',
    'zip text',
    'country text',
    'notes text',
    'metadata jsonb not null default ''{}''',
    'sync_enabled boolean not null default true',
    'sync_direction text not null default ''bidirectional''',
    'sync_status text not null default ''pending''',
    'archived_at timestamptz');

select pg_temp.columns('contacts',
    'monday_id text',
    'name text',
    'email text',
    'phone text',
    'role_title text',
    'notes text',
    'organization_id uuid references organizations (id) on delete set null',
    'metadata jsonb not null default ''{}''',
    'sync_enabled boolean not null default true',
    'sync_direction text not null default ''bidirectional''',
    'sync_status text not null default ''pending''',
    'archived_at timestamptz');

-- Earlier states kept the items' ids as numbers.
select pg_temp.as_text(name, 'monday_id') from unnest(array['users', 'projects', 'organizations', 'contacts']) as t (name);

do $$
begin
    if not exists (
        select from pg_attribute where attrelid = to_regclass('teams') and attnum > 0 and not attisdropped
        having array_agg(attname::text order by attnum) = '{id,name,region,goals,created_at,updated_at}'
    ) then
        create or replace view teams as
            select id, name, region, goals, created_at, updated_at from sales_teams;
    end if;
end $$;

-- One row for an e-mail address, however it is written. A database that already holds two such rows keeps them, and gets
-- a plain index: the tool then uses the older of the two.
select pg_temp.unique_index('users_email', 'users', 'lower(email)');

-- How rows that several items share are found, and the row of an item's e-mail address.
select pg_temp.index('users_email_fold_idx', 'users (sync_fold(email))');
select pg_temp.index('sales_teams_fold_idx', 'sales_teams (sync_fold(name))');
select pg_temp.index('customers_email_fold_idx', 'customers (sync_fold(email))');
select pg_temp.index('customers_fold_idx', 'customers (sync_fold(name), sync_bare(phone))');
select pg_temp.index('properties_customer_idx', 'properties (customer_id)');
select pg_temp.index('pa_law_fold_idx', 'pa_law (sync_fold(name))');
select pg_temp.index('insurances_fold_idx', 'insurances (sync_fold(company_name))');
select pg_temp.index('policies_bare_idx', 'policies (sync_bare(policy_number))');
select pg_temp.index('insurance_claims_bare_idx', 'insurance_claims (sync_bare(claim_number))');
select pg_temp.index('storms_date_idx', 'storms (date)');

-- Earlier versions compared keys otherwise; their indexes find nothing any more.
do $$
declare
    name text;
begin
    foreach name in array array[
        'sales_teams_key_idx', 'customers_email_idx', 'customers_key_idx', 'pa_law_key_idx', 'insurances_key_idx',
        'policies_number_idx', 'insurance_claims_number_idx'
    ] loop
        if to_regclass(format('%I', name)) is not null then
            execute format('drop index %I', name);
        end if;
    end loop;
end $$;

-- Which rows use a shared row.
select pg_temp.index('users_team_idx', 'users (team_id)');
select pg_temp.index('policies_customer_idx', 'policies (customer_id)');
select pg_temp.index('policies_insurance_idx', 'policies (insurance_id)');
select pg_temp.index('insurance_claims_policy_idx', 'insurance_claims (policy_id)');
select pg_temp.index('projects_customer_idx', 'projects (customer_id)');
select pg_temp.index('projects_property_idx', 'projects (property_id)');
select pg_temp.index('projects_team_idx', 'projects (team_id)');
select pg_temp.index('projects_policy_idx', 'projects (policy_id)');
select pg_temp.index('projects_claim_idx', 'projects (claim_id)');
select pg_temp.index('projects_storm_idx', 'projects (storm_id)');
select pg_temp.index('projects_pa_law_idx', 'projects (pa_law_id)');
select pg_temp.index('projects_partner_idx', 'projects (partner_id)');
select pg_temp.index('projects_project_manager_idx', 'projects (project_manager_id)');
select pg_temp.index('projects_estimator_idx', 'projects (estimator_id)');
select pg_temp.index('projects_superintendent_idx', 'projects (superintendent_id)');
select pg_temp.index('projects_sales_rep_idx', 'projects (sales_rep_id)');
select pg_temp.index('notes_project_idx', 'notes (project_id)');
select pg_temp.index('notes_customer_idx', 'notes (customer_id)');
select pg_temp.index('notes_property_idx', 'notes (property_id)');
select pg_temp.index('contacts_organization_idx', 'contacts (organization_id)');


-- ---------------------------------------------------------------------------------------------------------------------
-- All is there: the version that the tool asks for before it works.

insert into sync_state (name, value) values ('schema', '2')
on conflict (name) do update set value = excluded.value, updated_at = now()
where sync_state.value is distinct from excluded.value;
