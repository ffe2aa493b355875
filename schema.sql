-- What the tool keeps in PostgreSQL, in two parts: its own memory, and the company's tables, which the shipped mappings
-- fill (two boards, contacts, organizations).
--
-- This file can be run on an empty database, on the current one, and on every earlier state, any number of times: it
-- makes what is missing and loses nothing. It needs nothing but core PostgreSQL (13 or later) and plpgsql.
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
select pg_temp.index('sync_logs_run_idx', 'sync_logs (run_id)');
select pg_temp.index('sync_logs_created_idx', 'sync_logs (created_at)');

-- One row a run: what it did (`entities`), what it cost (`api`), how it ended.
select pg_temp.columns('sync_runs',
    'kind text',
    'direction text',
    'started_at timestamptz not null default now()',
    'finished_at timestamptz',
    'exit_code integer',
    'outcome text',
    'message text',
    'entities jsonb',
    'api jsonb');
select pg_temp.index('sync_runs_started_idx', 'sync_runs (started_at)');

-- Watermarks, and whatever else is one value under one name.
create table if not exists sync_state (
    name text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now());

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
select pg_temp.index('sync_outbox_entity_idx', 'sync_outbox (entity_type, id)');

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

-- The ids that a listing has seen, page by page, so that what is missing at its end can be found in the database.
create unlogged table if not exists sync_listing (
    pass uuid not null,
    monday_id text not null,
    monday_updated_at timestamptz,
    primary key (pass, monday_id));

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

-- A process that writes both rows and links takes this table's lock first, before it looks at anything: two processes
-- then cannot both find a shared row missing and make it twice.
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

-- How rows that several items share are found. Texts are stored as written, so their outer blanks are left out here.
select pg_temp.index('sales_teams_key_idx', $$sales_teams (lower(btrim(name, E' \t\n\r\f\x0b')))$$);
select pg_temp.index('customers_email_idx', 'customers (lower(email))');
select pg_temp.index('customers_key_idx', $$customers (lower(btrim(name, E' \t\n\r\f\x0b')), phone)$$);
select pg_temp.index('properties_customer_idx', 'properties (customer_id)');
select pg_temp.index('pa_law_key_idx', $$pa_law (lower(btrim(name, E' \t\n\r\f\x0b')))$$);
select pg_temp.index('insurances_key_idx', $$insurances (lower(btrim(company_name, E' \t\n\r\f\x0b')))$$);
select pg_temp.index('policies_number_idx', 'policies (policy_number)');
select pg_temp.index('insurance_claims_number_idx', 'insurance_claims (claim_number)');
select pg_temp.index('storms_date_idx', 'storms (date)');

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

insert into sync_state (name, value) values ('schema', '1')
on conflict (name) do update set value = excluded.value, updated_at = now()
where sync_state.value is distinct from excluded.value;
