-- The tables of an installation with many accounts. They stand in the control database, which may be that of one account.

create table if not exists sync_accounts (
    name        text primary key,
    settings    jsonb not null default '{}',     -- settings by name; a secret is the path of a file (NAME_FILE)
    version     integer not null default 1,      -- grows with each change of the settings, from a number of its own
    paused_at   timestamptz,
    paused_by   text,
    paused_why  text,
    heard_at    timestamptz,                     -- when a door last was there to take the account's events
    created_at  timestamptz not null default now()
);

-- That an entity has work, never what: what is to be done stands in the account's own database.
create table if not exists sync_due (
    account     text not null references sync_accounts (name) on delete cascade,
    entity      text not null default '',        -- empty: the account as a whole
    task        text not null check (task in ('live', 'run', 'look')),
    due_at      timestamptz not null default now(),
    sweep       boolean not null default false,  -- events may be lost: both sides are to be compared in full
    marks       bigint not null default 0,       -- how often it was asked for
    sent_at     timestamptz,                     -- when a message about it was last sent
    starts      integer not null default 0,      -- starts without an end: it may end the process that works on it
    message     text,                            -- why the last try failed
    primary key (account, entity, task)
);

-- What is left of the budgets that monday.com gives an account, whatever process or database spends them.
create table if not exists sync_budgets (
    account     text not null references sync_accounts (name) on delete cascade,
    budget      text not null,                   -- minute (calls), read and write (complexity), day (calls)
    left_over   double precision not null,
    whole       double precision,                -- what a new window begins with; null: not known
    until       timestamptz not null,            -- when the window ends
    primary key (account, budget)
);

-- The calls that run now: a slot each, until the call has ended, and at the longest for as long as a call may take.
create table if not exists sync_slots (
    account     text not null references sync_accounts (name) on delete cascade,
    slot        integer not null,
    until       timestamptz not null,
    primary key (account, slot)
);

-- Addresses of monday.com from which no good answer came lately, whatever account asked.
create table if not exists sync_outages (
    address     text primary key,
    failures    integer not null default 1,      -- without a good answer between them
    since       timestamptz not null default now(),
    until       timestamptz not null             -- when one task may try again
);

create index if not exists sync_due_due_idx on sync_due (due_at);
